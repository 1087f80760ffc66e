import { encodeDomain } from '../domain-name.ts';

/** More than any message has. Bounds the work for a long list. */
const MAX_BYTES = 1500;
const POINTER = 0xc000;

/**
 * Encodes the domains of a search list. The end of a name that occurred before is a pointer to it,
 * so that the usual list of a pod, of which all domains end in the same one, is short. Leaves out
 * what is not a name. Null if nothing is left, or the list is longer than any message.
 *
 * Source: RFC 3397, RFC 1035 §4.1.4
 */
export function encodeSearchList(domains: readonly string[]): Buffer | null {
  const places = new Map<string, number>();
  const chunks: Buffer[] = [];
  let size = 0;
  for (const domain of new Set(domains)) {
    const name = encodeDomain(domain);
    if (name === null) continue;
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
  let at = 0;
  for (let length = name[at] ?? 0; length > 0; length = name[at] ?? 0) {
    const end = name.toString('latin1', at);
    const place = places.get(end);
    if (place !== undefined) {
      const pointer = Buffer.alloc(2);
      pointer.writeUInt16BE(POINTER | place);
      return Buffer.concat([name.subarray(0, at), pointer]);
    }
    places.set(end, start + at);
    at += 1 + length;
  }
  return name;
}
