/** Devices of one resource that kubelet gave a container of a pod. */
export interface PodDevices {
  /** Full name of the resource, such as `tapwire.io/vm-lan`. */
  readonly resource: string;
  readonly ids: readonly string[];
}

/**
 * Asks kubelet which devices a pod has.
 *
 * @param kubeletDirectory kubelet's root directory
 * @throws {BindingError} TRY_AGAIN, PLUGIN_NOT_AVAILABLE
 */
export type DevicesOf = (
  pod: { readonly namespace: string; readonly name: string },
  kubeletDirectory: string,
) => Promise<readonly PodDevices[]>;

/**
 * Loads the client when it is first needed: nearly all calls are not for macvtap, and the gRPC
 * library takes longer to load than such a call takes.
 */
export const devicesOf: DevicesOf = async (...pod) => {
  loaded ??= import(/* webpackMode: "eager" */ './pod-resources.ts').then((client) => client.newDevicesOf());
  return (await loaded)(...pod);
};

let loaded: Promise<DevicesOf> | undefined;
