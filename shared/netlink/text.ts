/**
 * Text of the kernel: names and aliases of links, which may be any bytes. Different bytes become
 * different strings, so that a pod cannot make two links look alike. A byte that is not part of
 * UTF-8 becomes a lone surrogate, which no decoded UTF-8 contains: 0xff becomes U+DCFF, as with
 * `surrogateescape` of Python.
 */
import { isUtf8 } from 'node:buffer';

/** Code point of a byte that is not part of UTF-8, minus the byte. */
const ESCAPE = 0xdc00;
const ESCAPED = /[\udc80-\udcff]/u;
const MAX_UTF8_BYTES = 4;

export function decodeText(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  // Only invalid bytes, or the character itself, become U+FFFD.
  return !text.includes('\ufffd') || isUtf8(bytes) ? text : decodeEach(bytes);
}

function decodeEach(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = characterAt(bytes, at);
    text +=
      length === 0 ? String.fromCharCode(ESCAPE + (bytes[at] ?? 0)) : bytes.toString('utf8', at, at + length);
    at += Math.max(length, 1);
  }
  return text;
}

/** Number of bytes of the character that begins there; 0 if none does. */
function characterAt(bytes: Buffer, at: number): number {
  for (let length = 1; length <= MAX_UTF8_BYTES && at + length <= bytes.length; length++) {
    if (isUtf8(bytes.subarray(at, at + length))) return length;
  }
  return 0;
}

/** Reverses `decodeText`. */
export function encodeText(text: string): Buffer {
  if (!ESCAPED.test(text)) return Buffer.from(text);
  return Buffer.concat(
    Array.from(text, (character) =>
      ESCAPED.test(character) ? Buffer.of(character.charCodeAt(0) - ESCAPE) : Buffer.from(character),
    ),
  );
}
