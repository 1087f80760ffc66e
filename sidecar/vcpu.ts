import { fields, integer, optional } from '../shared/decode.ts';

const count = optional(integer(0, 2 ** 32 - 1), 0);
const decodeCpu = fields({ cores: count, sockets: count, threads: count });
const decodeCpuQuantity = optional(fields({ cpu: parseQuantity }), { cpu: null });
const decodeResources = fields({ limits: decodeCpuQuantity, requests: decodeCpuQuantity });

/**
 * The vCPUs that a VM starts with: its topology, or without one its CPU limit or request, rounded up.
 *
 * @throws {BindingError} INVALID_CONFIG
 * Source: kubevirt pkg/virt-launcher/virtwrap/converter/vcpu, GetCPUTopology and CalculateRequestedVCPUs
 */
export function countVcpus(domain: { readonly cpu: unknown; readonly resources: unknown }): number {
  const { cores, sockets, threads } = decodeCpu(domain.cpu, '$.spec.domain.cpu');
  if (cores + sockets + threads > 0) return (cores || 1) * (sockets || 1) * (threads || 1);
  const { limits, requests } = decodeResources(domain.resources, '$.spec.domain.resources');
  return Math.max(limits.cpu ?? requests.cpu ?? 1, 1);
}

/** A Kubernetes quantity in the forms that counts of CPUs have (`2`, `"1500m"`), rounded up; null for any other. */
function parseQuantity(value: unknown): number | null {
  const [, digits, milli] = /^(\d{1,9}(?:\.\d{1,9})?)(m?)$/.exec(String(value)) ?? [];
  if (digits === undefined) return null;
  return Math.ceil(Number(digits) / (milli === 'm' ? 1000 : 1));
}
