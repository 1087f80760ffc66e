import { array, boolean, fields, optional, string, unset } from '../../shared/decode.ts';

/**
 * A network of the VMI. `podIfname` is the pod link's name in the VMI's status; null if the status
 * does not contain it (KubeVirt < 1.4). `cidr` is the pod network's vmNetworkCIDR, unvalidated;
 * null if unset.
 */
export type VmiNetwork =
  | { readonly primary: true; readonly podIfname: string | null; readonly cidr: string | null }
  /**
   * `ordinal` is the network's place among the VMI's secondary Multus networks, counted from 1: the
   * N of `netN`. Null if Multus does not attach the network.
   */
  | { readonly primary: false; readonly ordinal: number | null };

/** Decodes `spec.networks`. @throws {BindingError} INVALID_CONFIG */
export const decodeNetworks = optional(
  array(
    fields({
      name: string,
      pod: optional(fields({ vmNetworkCIDR: unset(string, null) }), null),
      multus: optional(fields({ default: optional(boolean, false) }), null),
    }),
  ),
  [],
);

/** Decodes the interfaces in `status`. @throws {BindingError} INVALID_CONFIG */
export const decodeNetworkStatus = optional(
  fields({
    interfaces: optional(
      array(fields({ name: optional(string, ''), podInterfaceName: unset(string, null) })),
      [],
    ),
  }),
  { interfaces: [] },
);

/**
 * Maps names to networks. If a name occurs several times, in the spec or in the status, the first
 * one counts.
 */
export function indexNetworks(
  networks: ReturnType<typeof decodeNetworks>,
  status: ReturnType<typeof decodeNetworkStatus>,
): Map<string, VmiNetwork> {
  const podIfnames = new Map(
    status.interfaces.map(({ name, podInterfaceName }) => [name, podInterfaceName] as const).reverse(),
  );
  const index = new Map<string, VmiNetwork>();
  let secondaries = 0;
  for (const { name, pod, multus } of networks) {
    const primary = pod !== null || multus?.default === true;
    if (multus !== null && !multus.default) secondaries += 1;
    if (index.has(name)) continue;
    const ordinal = multus === null ? null : secondaries;
    const podIfname = podIfnames.get(name) ?? null;
    index.set(
      name,
      primary ? { primary, podIfname, cidr: pod?.vmNetworkCIDR ?? null } : { primary, ordinal },
    );
  }
  return index;
}
