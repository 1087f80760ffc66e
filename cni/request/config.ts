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

/** What the configuration says of any binding. */
interface CommonConf {
  readonly cniVersion: string;
  readonly name: string;
  /** The VMI's network name: KubeVirt sends it to binding NADs only. */
  readonly logicNetworkName: string | null;
  /** The MAC that the runtime asks for; the plugin that makes the pod link gives it. */
  readonly mac: string | null;
  readonly prevResult: PrevResult | null;
  /** Keys that nobody here reads, most likely a mistake; at most 20, of at most 64 characters: they go to a log. */
  readonly unknownKeys: readonly string[];
}

export interface TapConf extends CommonConf {
  readonly binding: 'tap';
  /** The primary network's pod link, where it is not `ovn-udn1` or `eth0`. */
  readonly podLink: string | null;
  /** "secondary": the primary network's link is never wired; null: it is if the network has none of its own. */
  readonly network: 'secondary' | null;
  /** MTU of the tap, and so of the guest; null: the pod link's. Bytes. */
  readonly mtu: number | null;
  /** Who may attach to the tap; null: anyone in the pod who can open /dev/net/tun. */
  readonly owner: number | null;
  readonly group: number | null;
  readonly multiQueue: boolean;
  /** SELinux label that the tap is made under. */
  readonly selinuxContext: string | null;
}

export interface PasstConf extends CommonConf {
  readonly binding: 'passt';
  /** Whose processes may ping; null: everyone's in the pod. */
  readonly group: number | null;
}

/** The plugin's configuration, as a NetworkAttachmentDefinition gives it (CNI SPEC §1, and our keys). */
export type NetConf = Confs[CniBinding];

interface Confs {
  readonly tap: TapConf;
  readonly passt: PasstConf;
}

/** Uid and gid of QEMU in virt-launcher (kubevirt pkg/util NonRootUID). */
const QEMU = 107;
/** RFC 791's smallest, and the largest that a 16-bit length allows. */
const mtu = integer(68, 65535);
/** 2^32 - 1 is the kernel's "no id". */
const MAX_ID = 2 ** 32 - 2;
/** The last group that may be allowed to ping (linux net/ipv4/sysctl_net_ipv4.c, GID_T_MAX). */
export const MAX_PING_GROUP = 2 ** 31 - 1;

/** A uid or gid, or "none" for null. */
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

/** A key that would be of no effect is one that somebody counts on. */
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
/** Keys that runtimes put into every configuration. */
const RUNTIMES_KEYS = ['type', 'prevResult', 'disableCheck', 'cni.dev/'];

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
  return OUR_KEYS.includes(folded) || RUNTIMES_KEYS.some((known) => folded.startsWith(known.toLowerCase()));
}

/** Whether a value says nothing: Go's structs carry `"ipam": {}` and `"dns": {}` along. */
const isZero = (value: unknown): boolean =>
  typeof value === 'object'
    ? Object.keys(value ?? {}).length === 0
    : value === '' || value === 0 || value === false;

/** Characters of hostile input that an error repeats. */
export const MAX_DETAILS = 100;

/** CNI SPEC §2: alphanumeric first, then also "_", "." and "-". */
export const IDENTIFIER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

const decodeBase = foldedFields({ cniVersion: optional(string, ''), name: optional(string, '') });

/** Checks what every command needs of the configuration, and returns its version. `tapwire check` calls it too. */
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

/** The newest of those CNI versions that the plugin supports; undefined if it supports none of them. */
export const newestSupported = (offered: readonly unknown[]): Version | undefined =>
  SUPPORTED_VERSIONS.findLast((one) => offered.includes(one));
