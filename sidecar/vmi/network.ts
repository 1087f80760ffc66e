import { array, boolean, fields, optional, string, unset } from '../../shared/decode.ts';

/**
 * `podIfname` is what the VMI's status says; null where it says nothing (KubeVirt before 1.4). `cidr` is the pod network's
 * vmNetworkCIDR, as it stands there; null: none.
 */
export type VmiNetwork =
  | { readonly primary: true; readonly podIfname: string | null; readonly cidr: string | null }
  /** `ordinal` counts the VMI's secondary Multus networks from 1: the N of `netN`. Null: not of Multus. */
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

/** Decodes what `status` says of interfaces. @throws {BindingError} INVALID_CONFIG */
export const decodeNetworkStatus = optional(
  fields({
    interfaces: optional(
      array(fields({ name: optional(string, ''), podInterfaceName: unset(string, null) })),
      [],
    ),
  }),
  { interfaces: [] },
);

/** Name => network. Of several with one name it is the first, in the spec and in the status. */
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
