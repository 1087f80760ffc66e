import {
  array,
  boolean,
  type Decoder,
  integer,
  mismatch,
  oneOf,
  optional,
  string,
} from '../../shared/decode.ts';
import {
  firstIfindexOf,
  fullResourceName,
  MAX_CAPACITY,
  MAX_RESOURCE,
} from '../../shared/kubelet/device-id.ts';
import { MACVTAP_MODES, type MacvtapMode } from '../../shared/rtnetlink/macvtap.ts';
import { ifname } from '../request/ifname.ts';
import { strictFields } from './strict-fields.ts';

/** How macvtaps may be created on a device of the node. */
export interface LowerDevice {
  /** Ifname in the node's netns. */
  readonly lowerDevice: string;
  readonly mode: MacvtapMode;
  /** Whether guests receive all frames of the lower device. */
  readonly promisc: boolean;
  /**
   * Whether guests receive all multicast frames. Without them, IPv6 neighbour solicitations do not
   * reach a guest. It also turns allmulticast on for the lower device.
   */
  readonly allmulticast: boolean;
}

/** A resource that the device plugin offers to kubelet. */
export interface MacvtapResource extends LowerDevice {
  /** Name without the domain `tapwire.io/`, or with another domain. */
  readonly name: string;
  /** Number of devices. */
  readonly capacity: number;
}

export interface MacvtapLowers {
  readonly resources: readonly MacvtapResource[];
  /** Lower devices that a network configuration may name as `master`. */
  readonly masters: readonly LowerDevice[];
  /** kubelet's root directory, with `device-plugins` and `pod-resources`. */
  readonly kubeletDirectory: string;
}

/** Without a node policy file, no macvtap is created. */
export const NO_LOWERS: MacvtapLowers = {
  resources: [],
  masters: [],
  kubeletDirectory: '/var/lib/kubelet',
};

const DEFAULT_CAPACITY = 100;

/**
 * Decodes a resource's name. Kubernetes reserves the domain kubernetes.io and the prefix
 * "requests.".
 *
 * Source: Kubernetes pkg/apis/core/v1/helper (IsExtendedResourceName)
 */
const resourceName: Decoder<string> = (value, path) => {
  const text = string(value, path);
  const [name = '', domain = 'a', ...rest] = text.split('/').reverse();
  const isName = /^[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?$/.test(name);
  const isDomain = domain.split('.').every((label) => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(label));
  const isReserved = domain.endsWith('kubernetes.io') || domain.startsWith('requests.');
  if (!isName || !isDomain || isReserved || rest.length > 0 || text.length > MAX_RESOURCE) {
    throw mismatch(path, `a resource name of at most ${MAX_RESOURCE} characters such as "vm-lan"`, value);
  }
  return text;
};

const absolutePath: Decoder<string> = (value, path) => {
  const text = string(value, path);
  if (/^(\/[\w.-]+)+$/.test(text) && !text.split('/').includes('..')) return text;
  throw mismatch(path, 'an absolute path such as "/var/lib/kubelet"', value);
};

const lowerKeys = {
  lowerDevice: ifname,
  mode: optional(oneOf(...MACVTAP_MODES), 'bridge' as const),
  promisc: optional(boolean, false),
  allmulticast: optional(boolean, true),
};

const resource: Decoder<MacvtapResource> = (value, path) => {
  const { capacity, ...rest } = strictFields({
    name: resourceName,
    ...lowerKeys,
    capacity: optional(integer(1, MAX_CAPACITY), null),
  })(value, path);
  const isExclusive = rest.mode === 'passthru';
  if (isExclusive && capacity !== null && capacity > 1) {
    throw mismatch(
      `${path}.capacity`,
      '1 with mode "passthru", in which one VM has the whole device',
      capacity,
    );
  }
  return { ...rest, capacity: capacity ?? (isExclusive ? 1 : DEFAULT_CAPACITY) };
};

function refuseDuplicates<T>(
  path: string,
  all: readonly T[],
  keyOf: (one: T) => unknown,
  what: string,
): void {
  const seen = new Map<unknown, number>();
  for (const [i, one] of all.entries()) {
    const first = seen.get(keyOf(one));
    if (first !== undefined) throw mismatch(`${path}[${i}]`, `${what} than ${path}[${first}]`, one);
    seen.set(keyOf(one), i);
  }
}

export const resources: Decoder<readonly MacvtapResource[]> = (value, path) => {
  const all = optional(array(resource), NO_LOWERS.resources)(value, path);
  refuseDuplicates(path, all, ({ name }) => fullResourceName(name), 'another name');
  refuseDuplicates(
    path,
    all,
    ({ name }) => firstIfindexOf(name),
    'another name, whose interface indexes differ,',
  );
  return all;
};

export const masters: Decoder<readonly LowerDevice[]> = (value, path) => {
  const all = optional(array(strictFields<LowerDevice>(lowerKeys)), NO_LOWERS.masters)(value, path);
  refuseDuplicates(path, all, ({ lowerDevice }) => lowerDevice, 'another lowerDevice');
  return all;
};

/** The keys of `$.macvtap` besides those of every binding. */
export const lowerDevicesKeys = {
  resources,
  masters,
  kubeletDirectory: optional(absolutePath, NO_LOWERS.kubeletDirectory),
};

/**
 * Rejects lower devices that cannot serve all entries: one in mode "passthru" serves a single
 * entry.
 */
export function requireUnshared({ resources, masters }: MacvtapLowers, path: string): void {
  const entries = [
    ...resources.map((entry, i) => ({ ...entry, path: `${path}.resources[${i}]` })),
    ...masters.map((entry, i) => ({ ...entry, path: `${path}.masters[${i}]` })),
  ];
  for (const entry of entries.filter(({ mode }) => mode === 'passthru')) {
    const other = entries.find((one) => one !== entry && one.lowerDevice === entry.lowerDevice);
    if (other === undefined) continue;
    throw mismatch(
      `${entry.path}.lowerDevice`,
      `a device that no other entry has, because mode "passthru" takes all of it, but ${other.path} has it too`,
      entry.lowerDevice,
    );
  }
}
