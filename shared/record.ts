/**
 * The record that the CNI plugin writes on each link that it creates, as the ifalias. The sidecar
 * and later versions of the plugin read it.
 */
import { hash } from 'node:crypto';
import type { CniBinding } from './bindings.ts';
import type { Link } from './rtnetlink/link.ts';
import { MACVTAP_MODES, type MacvtapMode } from './rtnetlink/macvtap.ts';

/**
 * Identifies an attachment of a container. A container runtime never uses the same pair for two
 * attachments at a time (CNI SPEC §2).
 */
export interface AttachmentKey {
  readonly containerId: string;
  readonly ifname: string;
}

/** What DEL must undo on the pod link, in addition to deleting the filter. */
export interface Restore {
  /** ADD added the clsact qdisc. */
  readonly clsact: boolean;
  /** ADD turned allmulticast on. */
  readonly allmulti: boolean;
  /**
   * The txqueuelen was 0. DEL must restore it, because the kernel changes it when a link gets its
   * first qdisc.
   */
  readonly noQueue: boolean;
  /**
   * The link was down, and ADD set it up. Null: the record is from an older version, whose ADD
   * never set a link up.
   */
  readonly down: boolean | null;
  /** ADD added rules that keep the pod's own stack from sending. */
  readonly silence: boolean;
}

/** What a spoof guard compares: nothing, the source MAC, or that and every address. */
export const SPOOF_GUARDS = ['off', 'mac', 'addresses'] as const;
export type SpoofGuard = (typeof SPOOF_GUARDS)[number];

/** What ADD arranged between guest, pod and network. */
export interface Passage {
  /** The tap takes the guest's DHCP and router solicitations, and foreign servers are kept out. */
  readonly serves: boolean;
  /** The tap can serve IPv6, which the pod link has. */
  readonly ipv6: boolean;
  readonly guard: SpoofGuard;
}

/** Every frame passes, as with each version before guest services. */
export const OPEN_PASSAGE: Passage = { serves: false, ipv6: false, guard: 'off' };

/** The attachment that a link of Tapwire belongs to, and what ADD did for it. */
export type AttachmentRecord = TapRecord | MacvtapRecord;

export interface TapRecord {
  readonly key: AttachmentKey;
  readonly binding: 'tap';
  readonly podLink: string;
  /**
   * MTU in bytes that ADD gave the tap. CHECK needs it because a later plugin of the chain may
   * change the MTU of the pod link.
   */
  readonly mtu: number;
  readonly restore: Restore;
  /**
   * Marks of the claims in prevResult about the pod link that ADD found to be untrue. Null: the
   * record is from an older version, whose ADD did not compare them.
   */
  readonly told: readonly string[] | null;
  readonly passage: Passage;
}

/** What ADD gave a macvtap, which CHECK compares. */
export interface MacvtapRecord {
  readonly key: AttachmentKey;
  readonly binding: 'macvtap';
  /** Ifname of the device of the node when ADD ran. */
  readonly lowerDevice: string;
  readonly mode: MacvtapMode;
  readonly mac: string;
  readonly mtu: number;
  /** Uid and gid of the device node. */
  readonly owner: number;
  readonly group: number;
  readonly allmulticast: boolean;
  readonly promisc: boolean;
}

/** Maximum length in bytes of an ifalias (linux IFALIASZ - 1). */
const MAX_IFALIAS_BYTES = 255;
/**
 * Version of the format. This version of Tapwire writes only this format, and undoes only
 * attachments recorded in it.
 */
const FORM = 'tapwire/1';
const ANY_FORM = /^tapwire\/\d+$/;

/**
 * Encodes a record as an ifalias, which `ip link` shows: `tapwire/1 container=… ifname=net1
 * binding=tap link=eth0 mtu=1500 clsact=1 allmulti=0 noqueue=0 down=0 silence=1 told=0`, or
 * `tapwire/1 container=… ifname=pod1 binding=macvtap link=uplink0 mtu=1500 mac=… mode=bridge
 * owner=107 group=107 allmulti=1 promisc=0`. If the record would be too long, replaces the
 * container id with its hash.
 */
export function encodeRecord(record: AttachmentRecord): string {
  const { key, binding } = record;
  const encode = (container: string) =>
    `${FORM} container=${container} ifname=${key.ifname} binding=${binding} ` +
    (record.binding === 'tap' ? encodeTap(record) : encodeMacvtap(record));
  const whole = encode(key.containerId);
  return Buffer.byteLength(whole) <= MAX_IFALIAS_BYTES ? whole : encode(hashed(key.containerId));
}

const encodeTap = ({ podLink, mtu, restore, told, passage }: TapRecord): string =>
  `link=${podLink} mtu=${mtu} ` +
  `clsact=${Number(restore.clsact)} allmulti=${Number(restore.allmulti)} noqueue=${Number(restore.noQueue)} ` +
  `down=${Number(restore.down)} silence=${Number(restore.silence)}` +
  (told === null ? '' : ` told=${told.length === 0 ? '0' : told.join(',')}`) +
  encodePassage(passage);

/** One hexadecimal digit, because the longest record has no room for more. */
function encodePassage({ serves, ipv6, guard }: Passage): string {
  const bits = Number(serves) | (Number(ipv6) << 1) | (SPOOF_GUARDS.indexOf(guard) << 2);
  return bits === 0 ? '' : ` g=${bits.toString(16)}`;
}

function decodePassage(text: string | undefined): Passage {
  const bits = Number.parseInt(text ?? '0', 16);
  return { serves: (bits & 1) !== 0, ipv6: (bits & 2) !== 0, guard: SPOOF_GUARDS[(bits >> 2) & 3] ?? 'off' };
}

const encodeMacvtap = ({ lowerDevice, mtu, mac, mode, owner, group, allmulticast, promisc }: MacvtapRecord) =>
  `link=${lowerDevice} mtu=${mtu} mac=${mac} mode=${mode} owner=${owner} group=${group} ` +
  `allmulti=${Number(allmulticast)} promisc=${Number(promisc)}`;

/**
 * Prefix of the hash that replaces a container id. No container id starts like this, because it
 * cannot contain ":".
 */
export const HASHED = 'sha256:';
export const hashed = (containerId: string): string => `${HASHED}${hash('sha256', containerId, 'hex')}`;

/**
 * Whether a link is of the kind that the binding creates, so that it can have a record of this
 * binding.
 */
const CAN_HAVE_RECORD = {
  tap: ({ tun }) => tun?.mode === 'tap',
  macvtap: ({ macvtap }) => macvtap !== null,
  passt: () => false, // does not create a link
} as const satisfies Record<CniBinding, (link: Link) => boolean>;

const isRecorded = (name: string): name is CniBinding => Object.hasOwn(CAN_HAVE_RECORD, name);

/**
 * Returns the record of a link that Tapwire created, for any attachment; null for any other link,
 * whatever its alias. The container id in the record may be a hash of the real one.
 */
export function readRecord(link: Link): AttachmentRecord | null {
  const { form, values } = parseIfalias(link.ifalias);
  const binding = values.get('binding') ?? 'tap';
  if (form !== FORM || !isRecorded(binding) || !CAN_HAVE_RECORD[binding](link)) return null;
  const key = { containerId: values.get('container') ?? '', ifname: values.get('ifname') ?? '' };
  return binding === 'macvtap' ? readMacvtap(key, values) : readTap(key, values);
}

type Values = ReadonlyMap<string, string>;

const readTap = (key: AttachmentKey, values: Values): TapRecord => ({
  key,
  binding: 'tap',
  podLink: values.get('link') ?? '',
  mtu: Number(values.get('mtu')),
  restore: {
    clsact: values.get('clsact') === '1',
    allmulti: values.get('allmulti') === '1',
    noQueue: values.get('noqueue') === '1',
    down: values.has('down') ? values.get('down') === '1' : null,
    silence: values.get('silence') === '1',
  },
  told: decodeTold(values.get('told')),
  passage: decodePassage(values.get('g')),
});

const readMacvtap = (key: AttachmentKey, values: Values): MacvtapRecord => ({
  key,
  binding: 'macvtap',
  lowerDevice: values.get('link') ?? '',
  mode: MACVTAP_MODES.find((mode) => mode === values.get('mode')) ?? 'bridge',
  mac: values.get('mac') ?? '',
  mtu: Number(values.get('mtu')),
  owner: Number(values.get('owner')),
  group: Number(values.get('group')),
  allmulticast: values.get('allmulti') === '1',
  promisc: values.get('promisc') === '1',
});

const decodeTold = (text: string | undefined): TapRecord['told'] =>
  text === undefined ? null : text === '0' ? [] : text.split(',');

/**
 * Returns the binding that a record names; undefined without a record. Accepts any version of the
 * format, because a sidecar may be older than the CNI plugin.
 */
export function readBinding(link: Link): string | undefined {
  const { form, values } = parseIfalias(link.ifalias);
  return ANY_FORM.test(form) ? values.get('binding') : undefined;
}

/** Splits `FORM KEY=VALUE …`. */
function parseIfalias(ifalias: string | null): { form: string; values: Values } {
  const [form = '', ...words] = (ifalias ?? '').split(' ');
  const values = words.map(
    (word) => [word.split('=', 1)[0] ?? '', word.slice(word.indexOf('=') + 1)] as const,
  );
  return { form, values: new Map(values) };
}
