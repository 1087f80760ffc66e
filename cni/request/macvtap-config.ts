import {
  boolean,
  type Decoder,
  foldedFields,
  integer,
  mismatch,
  optional,
  string,
  unset,
} from '../../shared/decode.ts';
import { ifindexWithoutDevice, readDeviceId } from '../../shared/kubelet/device-id.ts';
import { unicastMac } from '../../shared/mac.ts';
import type { AttachmentKey } from '../../shared/record.ts';
import { ifname } from './ifname.ts';
import { MAX_ID, mtu, QEMU } from './link-values.ts';
import { deviceId } from './runtime-config.ts';

/** Keys of a NAD with binding "macvtap". */
export interface MacvtapKeys {
  /** The lower device, by its ifname in the node's netns, without a device plugin. */
  readonly master: string | null;
  /** MTU in bytes; null: that of the lower device. */
  readonly mtu: number | null;
  /** MAC address, if the pod and the runtime ask for none. */
  readonly staticMac: string | null;
  readonly queues: number;
  readonly owner: number;
  readonly group: number;
  /** Whether the NAD expects promiscuous mode, which only the node policy file can turn on. */
  readonly promiscMode: boolean;
}

/** The device that kubelet gave the pod. */
export interface GivenDevice {
  readonly id: string;
  readonly resource: string;
  readonly ifindex: number;
}

/** Maximum number of queues (linux drivers/net/tap.c, MAX_TAP_QUEUES). */
const MAX_QUEUES = 256;

/** Rejects a key that has no effect here: whoever set it expects an effect. */
const refuse =
  (why: string): Decoder<never> =>
  (value, path) => {
    throw mismatch(path, `no such key with binding "macvtap", ${why}`, value);
  };

const id: Decoder<number> = (value, path) => {
  if (value === 'none') throw mismatch(path, `an integer, because a device node always has an owner`, value);
  return integer(0, MAX_ID)(value, path);
};

const WHOSE_LOWER = 'whose lower device is that of the resource; without a device plugin, it is $.master';

const accepted = {
  master: unset(ifname, null),
  mtu: unset(mtu, null, 0),
  mac: unset(unicastMac, null),
  queues: unset(integer(1, MAX_QUEUES), 1, 0),
  owner: unset(id, QEMU),
  group: unset(id, QEMU),
  promiscMode: optional(boolean, false),
};

const rejected = {
  // Keys of the other bindings.
  podLink: unset(refuse('which makes the pod link itself'), null),
  network: unset(refuse('which never takes the link of another network'), null),
  multiQueue: unset(refuse('whose number of queues is $.queues'), null, false),
  selinuxContext: unset(refuse('whose device node gets its label from the container runtime'), null),
  guestAddresses: unset(refuse('whose frames Tapwire does not see'), null),
  spoofGuard: unset(refuse('whose frames Tapwire does not see'), null),
  // The node policy file decides these, whoever may write NADs.
  mode: unset(refuse('whose mode is that of the entry in the node policy file'), null),
  lowerDevice: unset(refuse(WHOSE_LOWER), null),
};

const decodeKeys = foldedFields({ ...accepted, ...rejected });

/** Names of the keys, without those of every binding. */
export const MACVTAP_KEYS: readonly string[] = Object.keys(accepted);
/** Names of keys that other bindings or plugins have. */
export const REJECTED_KEYS: readonly string[] = Object.keys(rejected);

/** @throws {BindingError} INVALID_CONFIG with the JSON path */
export function decodeMacvtap(value: unknown): MacvtapKeys {
  const { master, mtu, mac, queues, owner, group, promiscMode } = decodeKeys(value, '$');
  return { master, mtu, staticMac: mac, queues, owner, group, promiscMode };
}

const decodeId = foldedFields({
  deviceID: unset(deviceId, null),
  runtimeConfig: optional(foldedFields({ deviceID: unset(deviceId, null) }), null),
});

/**
 * Decodes the id of the device that kubelet gave the pod; null if the configuration has none.
 *
 * @throws {BindingError} INVALID_CONFIG if the id is not one of ours
 */
export function givenDevice(value: unknown): GivenDevice | null {
  const { deviceID, runtimeConfig } = decodeId(value, '$');
  const byRuntime = runtimeConfig?.deviceID ?? null;
  const id = byRuntime ?? deviceID;
  if (id === null) return null;
  const device = readDeviceId(id);
  if (device !== null) return { id, ...device };
  const path = byRuntime === null ? '$.deviceID' : '$.runtimeConfig.deviceID';
  throw mismatch(path, "the id of a device of Tapwire's resources", id);
}

/**
 * Returns the number of the device node that ADD made for this configuration; null if there is
 * none, or the configuration is invalid.
 */
export function deviceNodeOf(conf: unknown, { containerId, ifname }: AttachmentKey): number | null {
  try {
    if (!isForMacvtap(conf)) return null;
    return givenDevice(conf)?.ifindex ?? ifindexWithoutDevice(containerId, ifname);
  } catch {
    return null;
  }
}

/**
 * Returns the lower device that a configuration names; null if it names none, or is invalid: STATUS
 * is not about the configuration.
 */
export function masterOf(conf: unknown): string | null {
  try {
    return isForMacvtap(conf) ? decodeMacvtap(conf).master : null;
  } catch {
    return null;
  }
}

const decodeBinding = foldedFields({ binding: optional(string, null) });
const isForMacvtap = (conf: unknown): boolean => decodeBinding(conf, '$').binding === 'macvtap';
