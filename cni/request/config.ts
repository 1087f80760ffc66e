import { CNI_BINDINGS, type CniBinding } from '../../shared/bindings.ts';
import {
  array,
  boolean,
  type Decoder,
  either,
  foldedFields,
  mismatch,
  object,
  oneOf,
  optional,
  string,
  unset,
} from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';
import { unicastMac } from '../../shared/mac.ts';
import { SPOOF_GUARDS, type SpoofGuard } from '../../shared/record.ts';
import { cidr, ipAddress } from './address.ts';
import { podIfname } from './ifname.ts';
import { MAX_ID, mtu, ownership, QEMU, selinuxContext } from './link-values.ts';
import {
  decodeMacvtap,
  type GivenDevice,
  givenDevice,
  MACVTAP_KEYS,
  type MacvtapKeys,
} from './macvtap-config.ts';
import { type PrevResult, prevResult } from './prev-result.ts';
import { deviceId, runtimeConfig } from './runtime-config.ts';
import { unknownKeysOf } from './unknown-keys.ts';
import { requireVersion, SUPPORTED_VERSIONS, type Version } from './version.ts';

/** Keys of the configuration that every binding has. */
interface CommonConf {
  readonly cniVersion: string;
  readonly name: string;
  /** The VMI's network name: KubeVirt sends it to binding NADs only. */
  readonly logicNetworkName: string | null;
  /**
   * The MAC address that the pod link must have; null: any. The plugin that creates the pod link
   * must set it.
   */
  readonly mac: string | null;
  readonly prevResult: PrevResult | null;
  /** Unknown keys, most likely mistakes, for the log: at most 20, each cut to 64 characters. */
  readonly unknownKeys: readonly string[];
}

export interface TapConf extends CommonConf {
  readonly binding: 'tap';
  /** The primary network's pod link; null: `ovn-udn1` or `eth0`. */
  readonly podLink: string | null;
  /**
   * "secondary": never wire the primary network's link; null: wire it if the network has no link of
   * its own.
   */
  readonly network: 'secondary' | null;
  /** MTU of the tap and the guest in bytes; null: the pod link's. */
  readonly mtu: number | null;
  /** Uid that may attach to the tap; null: any process in the pod that can open /dev/net/tun. */
  readonly owner: number | null;
  readonly group: number | null;
  readonly multiQueue: boolean;
  /** SELinux label under which the tap is created. */
  readonly selinuxContext: string | null;
  /**
   * Who tells the guest its addresses: a server on the network, or the sidecar, which tells it
   * those of the pod link.
   */
  readonly guestAddresses: 'network' | 'pod';
  /** What the sources of the guest's frames are compared with. */
  readonly spoofGuard: SpoofGuard;
}

export interface PasstConf extends CommonConf {
  readonly binding: 'passt';
  /** Gid whose processes may ping; null: every process in the pod. */
  readonly group: number | null;
}

export interface MacvtapConf extends CommonConf, MacvtapKeys {
  readonly binding: 'macvtap';
  /** Null: without a device plugin. */
  readonly device: GivenDevice | null;
}

/** The plugin's configuration in a NetworkAttachmentDefinition (CNI SPEC §1, and our keys). */
export type NetConf = Confs[CniBinding];

interface Confs {
  readonly tap: TapConf;
  readonly macvtap: MacvtapConf;
  readonly passt: PasstConf;
}

/** The highest gid that can be allowed to ping (linux net/ipv4/sysctl_net_ipv4.c, GID_T_MAX). */
export const MAX_PING_GROUP = 2 ** 31 - 1;

/** Decodes the name of a VMI network. Source: kubevirt pkg/network/admitter/netiface.go */
const networkName: Decoder<string> = (value, path) => {
  const name = string(value, path);
  if (!/^[\w-]{1,253}$/.test(name)) throw mismatch(path, 'the name of a VMI network ([A-Za-z0-9_-]+)', value);
  return name;
};

const address = either(ipAddress, cidr, 'an IP address, with or without its prefix length');

/** Decodes `args.cni`, in which Multus puts the `cni-args` of a pod's annotation. */
const cniArgs = foldedFields({
  logicNetworkName: unset(networkName, null),
  mac: unset(unicastMac, null),
  ips: optional(array(address), null),
  labels: optional(array(foldedFields({ key: string, value: string })), null),
});

const tapKeys = {
  podLink: unset(podIfname, null),
  network: unset(oneOf('secondary'), null),
  mtu: unset(mtu, null, 0),
  owner: unset(ownership(MAX_ID), QEMU), // 0 is the uid of root, not an unset value
  group: unset(ownership(MAX_ID), QEMU),
  multiQueue: optional(boolean, false),
  selinuxContext: unset(selinuxContext, null),
  guestAddresses: unset(oneOf('network', 'pod'), 'network' as const),
  spoofGuard: unset(oneOf(...SPOOF_GUARDS), 'off' as const),
};

/** Rejects a key that has no effect with passt: whoever set it expects an effect. */
const refuseWithPasst: Decoder<never> = (value, path) => {
  throw mismatch(path, 'no such key with binding "passt", which creates no tap and changes no link', value);
};
const rejectedByPasst = {
  podLink: unset(refuseWithPasst, null),
  network: unset(refuseWithPasst, null),
  mtu: unset(refuseWithPasst, null, 0),
  owner: unset(refuseWithPasst, null),
  multiQueue: unset(refuseWithPasst, null, false),
  selinuxContext: unset(refuseWithPasst, null),
  guestAddresses: unset(refuseWithPasst, null),
  spoofGuard: unset(refuseWithPasst, null),
};
const acceptedByPasst = { group: unset(ownership(MAX_PING_GROUP), QEMU) };
const passtKeys = { ...rejectedByPasst, ...acceptedByPasst } satisfies Readonly<
  Record<keyof typeof tapKeys, Decoder<unknown>>
>;

/** Names of the keys that each binding accepts, without those of every binding. */
export const KEYS_OF_BINDING: Readonly<Record<CniBinding, readonly string[]>> = {
  tap: Object.keys(tapKeys),
  macvtap: MACVTAP_KEYS,
  passt: Object.keys(acceptedByPasst),
};

const commonKeys = {
  cniVersion: string,
  name: string,
  binding: unset(oneOf(...CNI_BINDINGS), 'tap' as const),
  args: optional(foldedFields({ cni: optional(cniArgs, null) }), null),
  runtimeConfig: optional(runtimeConfig, { mac: null }),
  capabilities: optional(object, null),
  deviceID: unset(deviceId, null),
  pciBusID: unset(deviceId, null),
};

const OUR_KEYS = Object.keys({ ...commonKeys, ...tapKeys, ...acceptedByPasst }).map((key) =>
  key.toLowerCase(),
);
/** Keys of "macvtap", which the other bindings ignore as they did before there was a macvtap. */
const ONLY_MACVTAP = MACVTAP_KEYS.map((key) => key.toLowerCase());
/** Keys that runtimes add to every configuration. */
const RUNTIMES_KEYS = ['type', 'prevresult', 'disablecheck'];
/** Keys that are known with each binding, in lower case. */
const KNOWN_KEYS: Readonly<Record<CniBinding, ReadonlySet<string>>> = {
  tap: new Set([...OUR_KEYS, ...RUNTIMES_KEYS]),
  macvtap: new Set([...OUR_KEYS, ...ONLY_MACVTAP, ...RUNTIMES_KEYS]),
  passt: new Set([...OUR_KEYS, ...RUNTIMES_KEYS]),
};

/** @throws {BindingError} INVALID_CONFIG with the JSON path */
export function decodeNetConf(value: unknown): NetConf {
  const { cniVersion, name, binding, args, runtimeConfig } = foldedFields(commonKeys)(value, '$');
  const common = {
    cniVersion,
    name,
    ...foldedFields({ prevResult: optional(prevResult(cniVersion), null) })(value, '$'),
    logicNetworkName: args?.cni?.logicNetworkName ?? null,
    mac: runtimeConfig.mac ?? args?.cni?.mac ?? null,
    unknownKeys: unknownKeysOf(object(value, '$'), KNOWN_KEYS[binding]),
  };
  switch (binding) {
    case 'tap':
      return {
        binding,
        ...common,
        ...requirePossible(requireOneNetwork(foldedFields(tapKeys)(value, '$'))),
      };
    case 'macvtap':
      return { binding, ...common, ...decodeMacvtap(value), device: givenDevice(value) };
    case 'passt':
      return { binding, ...common, group: foldedFields(passtKeys)(value, '$').group };
  }
}

function requireOneNetwork<T extends Pick<TapConf, 'network' | 'podLink'>>(conf: T): T {
  if (conf.network === null || conf.podLink === null) return conf;
  throw mismatch(
    '$.podLink',
    'no such key with "network": "secondary", because it selects the primary link',
    conf.podLink,
  );
}

/** Rejects what guest services and the spoof guard cannot do. */
function requirePossible<T extends Pick<TapConf, 'guestAddresses' | 'spoofGuard' | 'group'>>(conf: T): T {
  const isServed = conf.guestAddresses === 'pod';
  if (isServed && (conf.group ?? 0) > MAX_PING_GROUP) {
    throw mismatch(
      '$.group',
      `at most ${MAX_PING_GROUP} with "guestAddresses": "pod", whose servers need to ping`,
      conf.group,
    );
  }
  if (conf.spoofGuard !== 'addresses' || isServed) return conf;
  throw mismatch(
    '$.spoofGuard',
    '"mac", or "guestAddresses": "pod" with it, because Tapwire does not know which addresses the network gives the guest',
    conf.spoofGuard,
  );
}

/** Maximum number of characters of untrusted input that an error quotes. */
export const MAX_DETAILS = 100;

/**
 * A container id or network name (CNI SPEC §2): starts with a letter or digit, then also "_", "."
 * and "-".
 */
export const IDENTIFIER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

const decodeBase = foldedFields({ cniVersion: optional(string, ''), name: optional(string, '') });

/**
 * Validates the parts of the configuration that every command needs, and returns its CNI version.
 * `tapwire check` uses this, too.
 */
export function requireBase(conf: unknown, command: string): Version {
  const { cniVersion, name } = decodeBase(conf, '$');
  if (name === '') throw new BindingError('INVALID_CONFIG', 'missing network name');
  if (!IDENTIFIER.test(name)) {
    throw new BindingError('INVALID_CONFIG', 'invalid characters found in network name', {
      details: name.slice(0, MAX_DETAILS),
    });
  }
  return requireVersion(cniVersion || '0.1.0', command);
}

/**
 * Finds the newest of these CNI versions that the plugin supports; undefined if it supports none.
 */
export const newestSupported = (offered: readonly unknown[]): Version | undefined =>
  SUPPORTED_VERSIONS.findLast((one) => offered.includes(one));
