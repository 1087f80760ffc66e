import { hash } from 'node:crypto';
import type { Link } from '../../shared/rtnetlink/link.ts';

/** What DEL must take back on the pod link, beyond our filter. */
export interface Restore {
  /** We added the clsact qdisc. */
  readonly clsact: boolean;
  /** We turned allmulticast on. */
  readonly allmulti: boolean;
  /** Its txqueuelen was 0 until the kernel set it, which it does with a link's first qdisc. */
  readonly noQueue: boolean;
  /** The link was down, and we set it up. Null: the record is of a version that left a link as it was. */
  readonly down: boolean | null;
  /** We added rules that keep the pod's own stack from sending (silence.ts). */
  readonly silence: boolean;
}

/** What we write on a link that we made: whose it is, and what else was changed for it. */
export interface TapRecord {
  readonly key: AttachmentKey;
  readonly podLink: string;
  /** What ADD gave the tap: CHECK cannot ask the pod link, whose MTU a later plugin of the chain may change. Bytes. */
  readonly mtu: number;
  readonly restore: Restore;
  /** Marks of what prevResult claimed of the pod link and ADD found untrue; null: an older ADD, which did not compare. */
  readonly told: readonly string[] | null;
}

/** Bytes of an ifalias (linux IFALIASZ - 1). */
const MAX_IFALIAS_BYTES = 255;
const PREFIX = 'tapwire/1';
/** Hash before flags in a cookie: 15 of the 16 bytes that the kernel gives one. */
const COOKIE_HASH_DIGITS = 30;

const sha256 = (value: string): string => hash('sha256', value, 'hex');

/**
 * The record as an ifalias, readable in `ip link`: `tapwire/1 container=… ifname=net1 binding=tap link=eth0 mtu=1500 clsact=1
 * allmulti=0 noqueue=0 down=0 silence=1 told=0`.
 * A container id that would not fit is a hash of it.
 */
export function encodeRecord({ key, podLink, mtu, restore, told }: TapRecord): string {
  const encode = (container: string) =>
    `${PREFIX} container=${container} ifname=${key.ifname} binding=tap link=${podLink} mtu=${mtu} ` +
    `clsact=${Number(restore.clsact)} allmulti=${Number(restore.allmulti)} noqueue=${Number(restore.noQueue)} ` +
    `down=${Number(restore.down)} silence=${Number(restore.silence)}` +
    (told === null ? '' : ` told=${told.length === 0 ? '0' : told.join(',')}`);
  const whole = encode(key.containerId);
  return Buffer.byteLength(whole) <= MAX_IFALIAS_BYTES ? whole : encode(hashed(key.containerId));
}

/** No container id looks like this: ":" is not allowed in one. */
export const HASHED = 'sha256:';
export const hashed = (containerId: string): string => `${HASHED}${sha256(containerId)}`;

/** The record of any tap that Tapwire made; its container id may be a hash of the real one. Null for every other link. */
export function readRecord(link: Link): TapRecord | null {
  const values = link.tun?.mode === 'tap' ? parseIfalias(link.ifalias) : null;
  if (values === null) return null;
  return {
    key: { containerId: values.get('container') ?? '', ifname: values.get('ifname') ?? '' },
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
  };
}

const decodeTold = (text: string | undefined): TapRecord['told'] =>
  text === undefined ? null : text === '0' ? [] : text.split(',');

function parseIfalias(ifalias: string | null): ReadonlyMap<string, string> | null {
  if (ifalias === null || !ifalias.startsWith(`${PREFIX} `)) return null;
  const [, ...words] = ifalias.split(' ');
  return new Map(words.map((word) => [word.split('=', 1)[0] ?? '', word.slice(word.indexOf('=') + 1)]));
}

/**
 * What our filters carry, so that they are ours even when the tap with the record is gone: 15 bytes of hash of the key, and one
 * byte that says once more what DEL must take back. 32 hex digits.
 */
export function encodeCookie(key: AttachmentKey, restore: Restore): string {
  const { clsact, allmulti, noQueue, down, silence } = restore;
  const flags = [clsact, allmulti, noQueue, down, silence].reduce(
    (all, flag, i) => all | (Number(flag) << i),
    0,
  );
  return cookieHash(key) + flags.toString(16).padStart(2, '0');
}

/** What the cookie says; null when it is not this attachment's. */
export function restoreOf(cookie: string | null, key: AttachmentKey): Restore | null {
  if (cookie === null || cookie.slice(0, COOKIE_HASH_DIGITS) !== cookieHash(key)) return null;
  const flags = Number.parseInt(cookie.slice(COOKIE_HASH_DIGITS), 16);
  return {
    clsact: (flags & 1) !== 0,
    allmulti: (flags & 2) !== 0,
    noQueue: (flags & 4) !== 0,
    down: (flags & 8) !== 0,
    silence: (flags & 16) !== 0,
  };
}

/** Every filter that is seen is asked whether it is of one and the same attachment. */
const cookieHashes = new WeakMap<AttachmentKey, string>();

/** 30 hex digits. */
export function cookieHash(key: AttachmentKey): string {
  const known = cookieHashes.get(key);
  if (known !== undefined) return known;
  const fresh = sha256(`${key.containerId}\0${key.ifname}`).slice(0, COOKIE_HASH_DIGITS);
  cookieHashes.set(key, fresh);
  return fresh;
}

/** Names one attachment of one container: a runtime never has two with the same pair (CNI SPEC §2). */
export interface AttachmentKey {
  readonly containerId: string;
  readonly ifname: string;
}
