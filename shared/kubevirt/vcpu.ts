/**
 * Counts the vCPUs that KubeVirt gives a VM.
 *
 * Source: kubevirt pkg/virt-launcher/virtwrap/converter/vcpu, GetCPUTopology and
 *   CalculateRequestedVCPUs
 */
import { fields, integer, optional } from '../decode.ts';

/** CPU topology in `spec.domain.cpu`; 0 means unset. */
export interface Topology {
  readonly cores: number;
  readonly sockets: number;
  readonly threads: number;
}

const count = optional(integer(0, 2 ** 32 - 1), 0);
export const decodeTopology = fields<Topology>({ cores: count, sockets: count, threads: count });
const decodeCpu = optional(fields({ cpu: (value) => value }), { cpu: undefined });
const decodeResources = fields({ limits: decodeCpu, requests: decodeCpu });

/**
 * Returns the number of vCPUs that a VM starts with. Its topology decides, or, without one, its
 * resources.
 *
 * @throws {BindingError} INVALID_CONFIG
 */
export function countVcpus(domain: { readonly cpu: unknown; readonly resources: unknown }): number {
  const ofTopology = vcpusOf(decodeTopology(domain.cpu, '$.spec.domain.cpu'));
  if (ofTopology !== null) return ofTopology;
  const { limits, requests } = decodeResources(domain.resources, '$.spec.domain.resources');
  return vcpusOfResources(limits.cpu, requests.cpu);
}

/** Returns the number of vCPUs of a topology; null if the topology is unset. */
export function vcpusOf({ cores, sockets, threads }: Topology): number | null {
  return cores + sockets + threads === 0 ? null : (cores || 1) * (sockets || 1) * (threads || 1);
}

/** Returns the CPU limit, or else the CPU request, rounded up; 1 without either. */
export function vcpusOfResources(limit: unknown, request: unknown): number {
  return Math.max(parseCpus(limit) ?? parseCpus(request) ?? 1, 1);
}

/**
 * Decimal exponents of the suffixes of quantities. Binary suffixes (`Ki`) and those above `k` make
 * no sense for CPUs.
 */
const EXPONENTS: Readonly<Record<string, string>> = { n: 'e-9', u: 'e-6', m: 'e-3', k: 'e3' };

/**
 * Parses a Kubernetes quantity in the forms that are usual for CPUs (`2`, `"1500m"`, `"4e0"`), and
 * rounds it up. Returns null for any other form.
 *
 * Source: apimachinery pkg/api/resource, Quantity
 */
function parseCpus(value: unknown): number | null {
  const [, digits, suffix = ''] =
    /^\+?(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})([numk]|[eE][+-]?\d{1,2})?$/.exec(String(value)) ?? [];
  return digits === undefined ? null : Math.ceil(Number(digits + (EXPONENTS[suffix] ?? suffix)));
}
