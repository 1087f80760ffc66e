import { CNI_BINDINGS, type CniBinding } from '../../shared/bindings.ts';
import {
  array,
  boolean,
  type Decoder,
  either,
  foldedFields,
  integer,
  mismatch,
  object,
  oneOf,
  optional,
  string,
  unset,
} from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';
import { unicastMac } from '../../shared/mac.ts';
import { cidr, ipAddress } from './address.ts';
import { podIfname } from './ifname.ts';
import { type PrevResult, prevResult } from './prev-result.ts';
import { deviceId, runtimeConfig } from './runtime-config.ts';
import { requireVersion, SUPPORTED_VERSIONS, type Version } from './version.ts';

/** Keys of the configuration that every binding has. */
interface CommonConf {
  readonly cniVersion: string;
  readonly name: string;
  /** The VMI's network name: KubeVirt sends it to binding NADs only. */
  readonly logicNetworkName: string | null;
  /** The MAC that the runtime asks for; the plugin that creates the pod link must set it. */
  readonly mac: string | null;
  readonly prevResult: PrevResult | null;
  /** Unknown keys, most likely mistakes: at most 20, of at most 64 characters, for the log. */
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
}

export interface PasstConf extends CommonConf {
  readonly binding: 'passt';
  /** Gid whose processes may ping; null: every process in the pod. */
  readonly group: number | null;
}

/** The plugin's configuration in a NetworkAttachmentDefinition (CNI SPEC §1, and our keys). */
export type NetConf = Confs[CniBinding];

interface Confs {
  readonly tap: TapConf;
  readonly passt: PasstConf;
}

/** Uid and gid of QEMU in virt-launcher (kubevirt pkg/util NonRootUID). */
const QEMU = 107;
/** From RFC 791's minimum to the maximum of a 16-bit length. */
const mtu = integer(68, 65535);
/** The largest id: 2^32 - 1 means "no id" to the kernel. */
const MAX_ID = 2 ** 32 - 2;
/** The last group that may be allowed to ping (linux net/ipv4/sysctl_net_ipv4.c, GID_T_MAX). */
export const MAX_PING_GROUP = 2 ** 31 - 1;

/** Decodes a uid or gid, or "none" as null. */
const ownership =
  (max: number): Decoder<number | null> =>
  (value, path) => {
    const decoded = either(integer(0, max), oneOf('none'), `an integer in 0..${max} or "none"`)(value, path);
    return decoded === 'none' ? null : decoded;
  };

const selinuxContext: Decoder<string> = (value, path) => {
  const context = string(value, path);
  if (!/^[\w.]+:[\w.]+:[\w.]+(:[\w.:,-]+)?$/.test(context) || context.length > 256) {
    throw mismatch(path, 'an SELinux context such as "system_u:system_r:container_t:s0"', value);
  }
  return context;
};

/** kubevirt pkg/network/admitter/netiface.go */
const networkName: Decoder<string> = (value, path) => {
  const name = string(value, path);
  if (!/^[\w-]{1,253}$/.test(name)) throw mismatch(path, 'the name of a VMI network ([A-Za-z0-9_-]+)', value);
  return name;
};

const address = either(ipAddress, cidr, 'an IP address, with or without its prefix length');

/** Multus puts `cni-args` of a pod's annotation here. */
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
  owner: unset(ownership(MAX_ID), QEMU), // 0 is root
  group: unset(ownership(MAX_ID), QEMU),
  multiQueue: optional(boolean, false),
  selinuxContext: unset(selinuxContext, null),
};

/** Rejects a key that would have no effect: its author relies on it. */
const refuseWithPasst: Decoder<never> = (value, path) => {
  throw mismatch(
    path,
    'nothing with binding "passt", which makes no tap and leaves every link as it is',
    value,
  );
};
const passtKeys = {
  podLink: unset(refuseWithPasst, null),
  network: unset(refuseWithPasst, null),
  mtu: unset(refuseWithPasst, null, 0),
  owner: unset(refuseWithPasst, null),
  group: unset(ownership(MAX_PING_GROUP), QEMU),
  multiQueue: unset(refuseWithPasst, null, false),
  selinuxContext: unset(refuseWithPasst, null),
} satisfies Readonly<Record<keyof typeof tapKeys, Decoder<unknown>>>;

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

const OUR_KEYS = Object.keys({ ...commonKeys, ...tapKeys }).map((key) => key.toLowerCase());
/** Keys that runtimes add to every configuration. */
const RUNTIMES_KEYS = ['type', 'prevresult', 'disablecheck'];
/** Start of keys that the specification reserves. */
const RESERVED = 'cni.dev/';

/** @throws {BindingError} INVALID_CONFIG with the JSON path */
export function decodeNetConf(value: unknown): NetConf {
  const { cniVersion, name, binding, args, runtimeConfig } = foldedFields(commonKeys)(value, '$');
  const common = {
    cniVersion,
    name,
    ...foldedFields({ prevResult: optional(prevResult(cniVersion), null) })(value, '$'),
    logicNetworkName: args?.cni?.logicNetworkName ?? null,
    mac: runtimeConfig.mac ?? args?.cni?.mac ?? null,
    unknownKeys: Object.entries(object(value, '$'))
      .filter(([key, given]) => !isKnownKey(key) && !isZero(given))
      .map(([key]) => key.slice(0, 64))
      .slice(0, 20),
  };
  switch (binding) {
    case 'tap':
      return { binding, ...common, ...requireOneNetwork(foldedFields(tapKeys)(value, '$')) };
    case 'passt':
      return { binding, ...common, group: foldedFields(passtKeys)(value, '$').group };
  }
}

function requireOneNetwork<T extends Pick<TapConf, 'network' | 'podLink'>>(conf: T): T {
  if (conf.network === null || conf.podLink === null) return conf;
  throw mismatch('$.podLink', 'nothing with "network": "secondary": it names the primary link', conf.podLink);
}

function isKnownKey(key: string): boolean {
  const folded = key.toLowerCase();
  return [...OUR_KEYS, ...RUNTIMES_KEYS].includes(folded) || folded.startsWith(RESERVED);
}

/** Whether a value is empty: Go's structs include `"ipam": {}` and `"dns": {}`. */
const isZero = (value: unknown): boolean =>
  typeof value === 'object'
    ? Object.keys(value ?? {}).length === 0
    : value === '' || value === 0 || value === false;

/** Maximum number of characters of hostile input in an error. */
export const MAX_DETAILS = 100;

/** CNI SPEC §2: alphanumeric first, then also "_", "." and "-". */
export const IDENTIFIER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

const decodeBase = foldedFields({ cniVersion: optional(string, ''), name: optional(string, '') });

/**
 * Requires what every command needs in the configuration, and returns its version. `tapwire check`
 * calls it, too.
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
