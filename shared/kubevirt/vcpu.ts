/**
 * The vCPUs that KubeVirt gives a VM.
 *
 * Source: kubevirt pkg/virt-launcher/virtwrap/converter/vcpu, GetCPUTopology and CalculateRequestedVCPUs
 */
import { fields, integer, optional } from '../decode.ts';

/** `spec.domain.cpu`; 0: not set. */
export interface Topology {
  readonly cores: number;
  readonly sockets: number;
  readonly threads: number;
}

const count = optional(integer(0, 2 ** 32 - 1), 0);
export const decodeTopology = fields<Topology>({ cores: count, sockets: count, threads: count });
const decodeCpuQuantity = optional(fields({ cpu: parseCpus }), { cpu: null });
const decodeResources = fields({ limits: decodeCpuQuantity, requests: decodeCpuQuantity });

/**
 * The vCPUs that a VM starts with: its topology, or without one its CPU limit or request, rounded up.
 *
 * @throws {BindingError} INVALID_CONFIG
 */
export function countVcpus(domain: { readonly cpu: unknown; readonly resources: unknown }): number {
  const ofTopology = vcpusOf(decodeTopology(domain.cpu, '$.spec.domain.cpu'));
  if (ofTopology !== null) return ofTopology;
  const { limits, requests } = decodeResources(domain.resources, '$.spec.domain.resources');
  return Math.max(limits.cpu ?? requests.cpu ?? 1, 1);
}

/** Null where nothing of it is set. */
export function vcpusOf({ cores, sockets, threads }: Topology): number | null {
  return cores + sockets + threads === 0 ? null : (cores || 1) * (sockets || 1) * (threads || 1);
}

/** A Kubernetes quantity in the forms that counts of CPUs have (`2`, `"1500m"`), rounded up; null for any other. */
export function parseCpus(value: unknown): number | null {
  const [, digits, milli] = /^(\d{1,9}(?:\.\d{1,9})?)(m?)$/.exec(String(value)) ?? [];
  if (digits === undefined) return null;
  return Math.ceil(Number(digits) / (milli === 'm' ? 1000 : 1));
}
