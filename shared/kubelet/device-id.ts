/**
 * The ids of macvtap devices. kubelet replays cached replies for years, and the plugin may run
 * without the agent, so everything that both must agree on is in the id: the resource, and the
 * interface index, which is also the number of the device node /dev/tap<index>.
 *
 * All macvtaps of a node share one directory of device nodes, so no two of them may have the same
 * index, whatever netns they are in. Indexes do not depend on the order of the resources in the
 * node policy file, nor on other resources.
 */
import { hash } from 'node:crypto';

/** The part of a resource's name before "/", unless the node policy file gives another. */
const DOMAIN = 'tapwire.io';
/** Maximum number of characters of a device id (kubelet). */
const MAX_ID = 63;
/** Maximum number of devices of a resource. */
export const MAX_CAPACITY = 1024;
/** Indexes of devices: from here to the largest ifindex (signed, 32 bits). */
const FIRST_DEVICE = 2 ** 30;
/** Indexes of macvtaps without a device plugin: from here to `FIRST_DEVICE`. */
const FIRST_FREE = 2 ** 29;
const INDEX_DIGITS = 10;

/** Maximum number of characters of a resource's name. */
export const MAX_RESOURCE = MAX_ID - 1 - INDEX_DIGITS;

/** A device as its id describes it. */
export interface Device {
  /** Name in the node policy file. */
  readonly resource: string;
  readonly ifindex: number;
}

/** Name under which kubelet, pods and NetworkAttachmentDefinitions know a resource. */
export const fullResourceName = (resource: string): string =>
  resource.includes('/') ? resource : `${DOMAIN}/${resource}`;

/** The first of the indexes of a resource. Two resources with the same one cannot coexist. */
export const firstIfindexOf = (resource: string): number =>
  FIRST_DEVICE + (hashOf(resource) % (FIRST_DEVICE / MAX_CAPACITY)) * MAX_CAPACITY;

/** Ids of the first `capacity` devices of a resource, such as `vm-lan-2078354432`. */
export const deviceIdsOf = (resource: string, capacity: number): readonly string[] =>
  Array.from({ length: capacity }, (_, i) => `${resource}-${firstIfindexOf(resource) + i}`);

/** Reads a device id; null if it is not one of ours. Accepts ids beyond the resource's capacity. */
export function readDeviceId(id: string): Device | null {
  const [, resource = '', digits] = /^(.{1,52})-(\d{10})$/.exec(id) ?? [];
  const ifindex = Number(digits);
  const first = firstIfindexOf(resource);
  return ifindex >= first && ifindex < first + MAX_CAPACITY ? { resource, ifindex } : null;
}

/** Index of the macvtap of an attachment that no device plugin serves. */
export const ifindexWithoutDevice = (containerId: string, ifname: string): number =>
  FIRST_FREE + (hashOf(`${containerId}\0${ifname}`) % (FIRST_DEVICE - FIRST_FREE));

/** Whether Tapwire may have chosen the index of a macvtap. */
export const isChosenIfindex = (ifindex: number): boolean => ifindex >= FIRST_FREE;

const hashOf = (text: string): number => Number.parseInt(hash('sha256', text, 'hex').slice(0, 12), 16);
