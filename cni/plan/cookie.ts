import { hash } from 'node:crypto';
import type { AttachmentKey, Restore } from '../../shared/record.ts';

/** Hash before flags in a cookie: 15 of the 16 bytes that the kernel gives one. */
const COOKIE_HASH_DIGITS = 30;

/**
 * Marks our filters, so that DEL finds them even if the tap with the record is gone: 15 bytes of hash of the key, and one byte that
 * repeats what DEL must undo. 32 hex digits.
 */
export function encodeCookie(key: AttachmentKey, restore: Restore): string {
  const { clsact, allmulti, noQueue, down, silence } = restore;
  const flags = [clsact, allmulti, noQueue, down, silence].reduce(
    (all, flag, i) => all | (Number(flag) << i),
    0,
  );
  return cookieHash(key) + flags.toString(16).padStart(2, '0');
}

/** What the cookie says; null if it belongs to another attachment. */
export function restoreOf(cookie: string | null, key: AttachmentKey): Restore | null {
  if (cookie === null || hashPartOf(cookie) !== cookieHash(key)) return null;
  const flags = Number.parseInt(cookie.slice(COOKIE_HASH_DIGITS), 16);
  return {
    clsact: (flags & 1) !== 0,
    allmulti: (flags & 2) !== 0,
    noQueue: (flags & 4) !== 0,
    down: (flags & 8) !== 0,
    silence: (flags & 16) !== 0,
  };
}

/** The part of a cookie that names the attachment. */
export const hashPartOf = (cookie: string): string => cookie.slice(0, COOKIE_HASH_DIGITS);

/** Every filter that is seen is asked whether it is of one and the same attachment. */
const cookieHashes = new WeakMap<AttachmentKey, string>();

/** 30 hex digits. */
export function cookieHash(key: AttachmentKey): string {
  const known = cookieHashes.get(key);
  if (known !== undefined) return known;
  const fresh = hash('sha256', `${key.containerId}\0${key.ifname}`, 'hex').slice(0, COOKIE_HASH_DIGITS);
  cookieHashes.set(key, fresh);
  return fresh;
}
