import { isIP } from 'node:net';
import { type Decoder, mismatch, string } from '../../shared/decode.ts';
import { canonicalAddress } from '../../shared/rtnetlink/address.ts';

const BITS: Readonly<Record<number, number>> = { 4: 32, 6: 128 };

/** Returns 4 or 6, or 0 if invalid. A configuration cannot have a zone (`fe80::1%eth0`). */
const familyOf = (address: string): number => (address.includes('%') ? 0 : isIP(address));

export const ipAddress: Decoder<string> = (value, path) => {
  if (familyOf(string(value, path)) === 0) throw mismatch(path, 'an IP address', value);
  return value as string;
};

/** Decodes an address with its prefix length: `192.0.2.5/24`. */
export const cidr: Decoder<string> = (value, path) => {
  const [address = '', length = '', ...more] = string(value, path).split('/');
  const bits = BITS[familyOf(address)];
  const isLength = /^\d+$/.test(length) && Number(length) <= (bits ?? -1);
  if (!isLength || more.length > 0) throw mismatch(path, 'an IP address with its prefix length', value);
  return value as string;
};

/**
 * Returns the canonical form of what `cidr` accepts: two addresses are equal exactly if these are.
 * An IPv4 address in IPv6 form is the IPv4 address, as in Go.
 */
export function canonicalCidr(text: string): string {
  const [address = '', length] = text.split('/');
  const canonical = canonicalAddress(address);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical) ?? [];
  if (high === undefined || low === undefined) return `${canonical}/${Number(length)}`;
  const bytes = [high, low].flatMap((word) => [
    Number.parseInt(word, 16) >> 8,
    Number.parseInt(word, 16) & 255,
  ]);
  return `${bytes.join('.')}/${Number(length) - 96}`;
}
