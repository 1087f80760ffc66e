/**
 * Netlink attributes: length, type and payload, padded to four bytes.
 *
 * Source: linux/netlink.h, RFC 3549
 */

import { decodeText, encodeText } from './text.ts';

/**
 * Data to be sent: unsigned 32-bit words in host order. Arrays of numbers cost less than Buffers.
 */
export type Words = readonly number[];

/**
 * A sequence of attributes in a buffer. Attributes are found only when they are read: a link has
 * about fifty, of which Tapwire reads a few.
 */
export interface Attributes {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Mask of an attribute's type. The two top bits are flags: nested, network byte order. */
const ATTRIBUTE_TYPE_MASK = 0x3fff;
const NLA_F_NESTED = 0x8000;

export const align4 = (length: number): number => (length + 3) & ~3;

/** Encodes an attribute that contains bytes, with padding. */
export function attribute(type: number, payload: Uint8Array): Words {
  const words: number[] = Array(1 + Math.ceil(payload.length / 4)).fill(0);
  words[0] = attributeHeader(type, payload.length);
  for (let i = 0; i < payload.length; i++) {
    const word = 1 + (i >> 2);
    words[word] = ((words[word] ?? 0) | ((payload[i] ?? 0) << (8 * (i & 3)))) >>> 0;
  }
  return words;
}

/**
 * Encodes an attribute that contains whole words: a structure of the kernel, or other attributes.
 */
export const struct = (type: number, ...payload: readonly Words[]): Words => {
  const words = payload.flat();
  return [attributeHeader(type, words.length * 4), ...words];
};

export const nested = (type: number, ...attributes: readonly Words[]): Words =>
  struct(type | NLA_F_NESTED, ...attributes);

export const text = (type: number, value: string): Words => attribute(type, encodeText(`${value}\0`));

export const u8 = (type: number, value: number): Words => [attributeHeader(type, 1), value];

export const u32 = (type: number, value: number): Words => [attributeHeader(type, 4), value];

const attributeHeader = (type: number, bytes: number): number => ((4 + bytes) | (type << 16)) >>> 0;

/**
 * Finds the attributes of a message.
 *
 * @param start offset of the first attribute, after the fixed body of the message's family
 */
export const decodeAttributes = (buffer: Buffer, start = 0): Attributes => ({
  buffer,
  start,
  end: buffer.length,
});

/** Returns the types of the attributes, in their order. */
export function typesOf(attributes: Attributes): readonly number[] {
  const types: number[] = [];
  for (let at = attributes.start; lengthAt(attributes, at) > 0; at += align4(lengthAt(attributes, at))) {
    types.push(typeAt(attributes, at));
  }
  return types;
}

/**
 * Returns the payload of each attribute, in their order. For lists, whose elements all have the
 * same type.
 */
export function elementsOf(attributes: Attributes): readonly Attributes[] {
  const elements: Attributes[] = [];
  for (let at = attributes.start; lengthAt(attributes, at) > 0; at += align4(lengthAt(attributes, at))) {
    elements.push({ buffer: attributes.buffer, start: at + 4, end: at + lengthAt(attributes, at) });
  }
  return elements;
}

/** Returns the attributes inside a nested one; empty if it is absent. */
export function inside(attributes: Attributes, type: number): Attributes {
  return payloadOf(attributes, type) ?? { ...attributes, end: attributes.start };
}

/** Returns the payload of an attribute, as a view; undefined if it is absent. */
export function readBytes(attributes: Attributes, type: number): Buffer | undefined {
  const payload = payloadOf(attributes, type);
  return payload?.buffer.subarray(payload.start, payload.end);
}

/**
 * Returns the text of an attribute, up to the first NUL; undefined if it is absent. Different bytes
 * are different strings (text.ts).
 */
export function readText(attributes: Attributes, type: number): string | undefined {
  const payload = payloadOf(attributes, type);
  if (payload === undefined) return undefined;
  let end = payload.start;
  while (end < payload.end && payload.buffer[end] !== 0) end += 1;
  return decodeText(payload.buffer.subarray(payload.start, end));
}

export function readU8(attributes: Attributes, type: number): number | undefined {
  const payload = payloadOf(attributes, type);
  return payload === undefined || payload.start === payload.end ? undefined : payload.buffer[payload.start];
}

/** Returns the number in an attribute; undefined if it is absent or too short. */
export function readU32(attributes: Attributes, type: number): number | undefined {
  const payload = payloadOf(attributes, type);
  return payload === undefined || payload.end - payload.start < 4
    ? undefined
    : payload.buffer.readUInt32LE(payload.start);
}

/** Returns the payload of the first attribute of that type. No type that Tapwire reads repeats. */
function payloadOf(attributes: Attributes, type: number): Attributes | undefined {
  for (let at = attributes.start; ; ) {
    const length = lengthAt(attributes, at);
    if (length === 0) return undefined;
    if (typeAt(attributes, at) === type)
      return { buffer: attributes.buffer, start: at + 4, end: at + length };
    at += align4(length);
  }
}

const typeAt = ({ buffer }: Attributes, at: number): number =>
  buffer.readUInt16LE(at + 2) & ATTRIBUTE_TYPE_MASK;

/** Returns the length in bytes of the attribute at that offset; 0 if there is none. */
function lengthAt({ buffer, end }: Attributes, at: number): number {
  if (at + 4 > end) return 0;
  const length = buffer.readUInt16LE(at);
  return length < 4 || at + length > end ? 0 : length;
}
