import { type Decoder, mismatch, string } from './decode.ts';

/**
 * Returns the canonical form of a MAC address, `02:00:00:00:00:0a`. Two addresses are equal if and
 * only if their canonical forms are. Returns null if the text is not a MAC address. Accepts every
 * form that Go programs accept and pass on unchanged: octets separated by ":" or "-", or groups of
 * four digits separated by ".", in upper or lower case.
 *
 * @param octets 6, or 8 for an InfiniBand GUID
 * Source: Go net/mac.go, ParseMAC
 */
export function canonicalMac(text: string, octets: 6 | 8 = 6): string | null {
  if (text.length >= 3 * octets) return null;
  const lower = text.toLowerCase();
  const pairs = lower.match(/[0-9a-f]{2}/g) ?? [];
  const groups = lower.match(/[0-9a-f]{4}/g) ?? [];
  const forms = [pairs.join(':'), pairs.join('-'), groups.join('.')];
  return pairs.length === octets && forms.includes(lower) ? pairs.join(':') : null;
}

/** The octets of a MAC address in its canonical form. */
export const macBytes = (mac: string): Uint8Array => Buffer.from(mac.replaceAll(':', ''), 'hex');

/**
 * Decodes the MAC address of one device, neither multicast nor all zeros, into its canonical form.
 */
export const unicastMac: Decoder<string> = (value, path) => {
  const mac = canonicalMac(string(value, path));
  const isMulticast = mac !== null && Number.parseInt(mac.slice(0, 2), 16) % 2 === 1;
  if (mac === null || isMulticast || mac === '00:00:00:00:00:00') {
    throw mismatch(path, 'a unicast MAC address such as "02:00:00:00:00:01"', value);
  }
  return mac;
};
