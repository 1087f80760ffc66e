import { show } from '../shared/decode.ts';
import type { PreCloudInitIsoParams } from '../shared/grpc/hooks_pb.ts';
import { listSome } from '../shared/list-some.ts';
import type { PreparedCloudInit } from './hooks/server.ts';
import { addNetworkConfig } from './services/cloud-init/add-network-config.ts';
import { networkConfigOf } from './services/cloud-init/network-config.ts';
import { networkDataOf } from './services/cloud-init/network-data.ts';
import { hasAddress, type StaticInterface } from './services/cloud-init/static-network.ts';
import { type GuestOptions, NETWORK_CONFIG_ANNOTATION, parseGuestOptions } from './vmi/guest-options.ts';

/** An interface of the VM whose network the sidecar knows. */
export interface KnownInterface extends StaticInterface {
  readonly name: string;
}

/** Value of the annotation that asks for the addresses of the pod. */
const FROM_POD = 'pod';

/**
 * Handles PreCloudInitIso: adds a network config with the addresses of the pod, if the VMI's
 * annotation asks for one and the user has written none. Otherwise returns the same bytes.
 *
 * Only `cloudInitData` changes. virt-launcher reads `cloudInitNoCloudSource` only if the former has
 * no user data, and KubeVirt requires user data or network data.
 *
 * @param observe returns the interfaces whose network is known; only called if the annotation asks
 *   for it
 * @throws {BindingError} INVALID_VMI, and what `observe` throws, because a VM that asks for a
 *   network config and does not get one would start without a network
 * Source: kubevirt pkg/hooks/manager.go, preCloudInitIsoValidateResult
 */
export async function prepareCloudInit(
  { cloudInitData, vmi }: PreCloudInitIsoParams,
  observe: (options: GuestOptions) => Promise<readonly KnownInterface[]>,
): Promise<PreparedCloudInit> {
  const unchanged = (...warnings: readonly string[]) => ({ cloudInitData, interfaces: [], warnings });
  if (cloudInitData.length === 0 || vmi.length === 0) return unchanged();
  const options = parseGuestOptions(vmi);
  const annotation = `annotation "${NETWORK_CONFIG_ANNOTATION}"`;
  if (options.networkConfig === null) return unchanged();
  if (options.networkConfig !== FROM_POD) {
    return unchanged(
      `${annotation} of the VM has no effect: want "${FROM_POD}", got ${show(options.networkConfig)}`,
    );
  }
  const known = (await observe(options)).filter(({ network }) => hasAddress(network));
  if (known.length === 0) {
    return unchanged(
      `${annotation} of the VM has no effect: no interface of the VM has an address that the sidecar knows; ` +
        'set "guestAddresses": "pod" in the NAD of the binding',
    );
  }
  const changed = addNetworkConfig(cloudInitData, {
    noCloud: networkConfigOf(known),
    configDrive: networkDataOf(known),
  });
  if (changed === null) {
    return unchanged(
      `${annotation} of the VM has no effect: the VM's cloud-init volume has network data of its own`,
    );
  }
  const names = known.map(({ name }) => name);
  return { cloudInitData: changed, interfaces: names, warnings: missingWarnings(options, names) };
}

/** Warns of interfaces that the config leaves out: cloud-init then does not configure them. */
function missingWarnings({ interfaces }: GuestOptions, names: readonly string[]): string[] {
  const included = new Set(names);
  const missing = interfaces.filter(({ name }) => !included.has(name)).map(({ name }) => show(name));
  if (missing.length === 0) return [];
  return [
    `the cloud-init network config leaves out ${listSome(missing)}, because their addresses are unknown: ` +
      'cloud-init does not configure these interfaces; write networkData for all interfaces instead',
  ];
}
