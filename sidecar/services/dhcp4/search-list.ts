import { encodeDomain } from '../domain-name.ts';

/** More than any message has. Bounds the work for a long list. */
const MAX_BYTES = 1500;
const POINTER = 0xc000;

/**
 * Encodes the domains of a search list. The end of a name that occurred before is a pointer to it,
 * so that the usual list of a pod, of which all domains end in the same one, is short. Leaves out
 * what is not a name, and repeated names. Null if nothing is left, or the list is longer than any
 * message.
 *
 * Source: RFC 3397, RFC 1035 §4.1.4
 */
export function encodeSearchList(domains: readonly string[]): Buffer | null {
  const places = new Map<string, number>();
  const chunks: Buffer[] = [];
  let size = 0;
  const seen = new Set<string>();
  for (const domain of domains) {
    const name = encodeDomain(domain);
    if (name === null || seen.has(name.toString('latin1'))) continue;
    seen.add(name.toString('latin1'));
    const encoded = compress(name, size, places);
    chunks.push(encoded);
    size += encoded.length;
    if (size > MAX_BYTES) return null;
  }
  return size === 0 ? null : Buffer.concat(chunks);
}

/**
 * @param start place of the name in the list, in bytes
 * @param places of each end of a name so far; gets those of this name
 */
function compress(name: Buffer, start: number, places: Map<string, number>): Buffer {
  for (let at = 0; name[at] !== 0; at += 1 + name.readUInt8(at)) {
    const end = name.toString('latin1', at);
    const place = places.get(end);
    if (place !== undefined) {
      const pointer = Buffer.alloc(2);
      pointer.writeUInt16BE(POINTER | place);
      return Buffer.concat([name.subarray(0, at), pointer]);
    }
    places.set(end, start + at);
  }
  return name;
}
