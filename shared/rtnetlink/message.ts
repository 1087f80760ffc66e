/**
 * The wire form of netlink messages: a 16-byte header, a fixed body of the message's family, then attributes.
 * All integers are in host order; every machine that Tapwire is built for is little-endian.
 *
 * Source: linux/netlink.h, RFC 3549
 */

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_DUMP = 0x300;
/** In an error message: attributes with the kernel's explanation follow. */
export const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const HEADER_BYTES = 16;
/** The two top bits of an attribute's type are flags (nested, network byte order). */
const ATTRIBUTE_TYPE_MASK = 0x3fff;

/** One request: its RTM_* type, NLM_F_* flags beyond REQUEST, and body with attributes. */
export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

/** A request for everything of a kind, and how to read the answer. */
export interface Query<T> {
  readonly request: Request;
  decode(answers: readonly Message[]): T;
}

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly body: Buffer;
}

export interface Attributes {
  /** Its payload; where a type repeats (it does not in what we read), the first one's. */
  get(type: number): Buffer | undefined;
  /** In their order. */
  types(): readonly number[];
}

/** From Node's pool: a buffer of its own costs more than a request. */
export const zeroed = (length: number): Buffer => Buffer.allocUnsafe(length).fill(0);

const align4 = (length: number): number => (length + 3) & ~3;

/** All requests in one buffer, numbered from `seq` on. */
export function encodeRequests(requests: readonly Request[], seq: number): Buffer {
  const lengths = requests.map(({ body }) => HEADER_BYTES + body.length);
  const buffer = zeroed(lengths.reduce((sum, length) => sum + align4(length), 0));
  let offset = 0;
  for (const [i, { type, flags, body }] of requests.entries()) {
    const length = HEADER_BYTES + body.length;
    buffer.writeUInt32LE(length, offset);
    buffer.writeUInt16LE(type, offset + 4);
    buffer.writeUInt16LE(flags | NLM_F_REQUEST, offset + 6);
    buffer.writeUInt32LE(seq + i, offset + 8); // port id 0 follows: the kernel's side knows us by the socket
    body.copy(buffer, offset + HEADER_BYTES);
    offset += align4(length);
  }
  return buffer;
}

/** Splits what was received. The bodies are views of `buffer`. */
export function decodeMessages(buffer: Buffer): Message[] {
  const messages: Message[] = [];
  for (let offset = 0; offset + HEADER_BYTES <= buffer.length; ) {
    const length = buffer.readUInt32LE(offset);
    if (length < HEADER_BYTES || offset + length > buffer.length) break; // cut off
    messages.push({
      type: buffer.readUInt16LE(offset + 4),
      flags: buffer.readUInt16LE(offset + 6),
      seq: buffer.readUInt32LE(offset + 8),
      body: buffer.subarray(offset + HEADER_BYTES, offset + length),
    });
    offset += align4(length);
  }
  return messages;
}

/** One attribute, padded. A nested one has the concatenation of attributes as its payload. */
export function attribute(type: number, payload: Buffer): Buffer {
  const encoded = zeroed(align4(4 + payload.length));
  encoded.writeUInt16LE(4 + payload.length, 0);
  encoded.writeUInt16LE(type, 2);
  payload.copy(encoded, 4);
  return encoded;
}

export function nested(type: number, ...attributes: readonly Buffer[]): Buffer {
  const NLA_F_NESTED = 0x8000;
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

export const text = (type: number, value: string): Buffer => attribute(type, Buffer.from(`${value}\0`));

export const u8 = (type: number, value: number): Buffer => attribute(type, Buffer.of(value));

export function u32(type: number, value: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32LE(value);
  return attribute(type, payload);
}

/** Looks for each attribute when it is asked for: a link has fifty, of which we read a few. */
export function decodeAttributes(buffer: Buffer): Attributes {
  return {
    get(type) {
      for (let offset = 0; lengthAt(buffer, offset) > 0; offset += align4(lengthAt(buffer, offset))) {
        if (typeAt(buffer, offset) === type) {
          return buffer.subarray(offset + 4, offset + lengthAt(buffer, offset));
        }
      }
      return undefined;
    },
    types() {
      const types: number[] = [];
      for (let offset = 0; lengthAt(buffer, offset) > 0; offset += align4(lengthAt(buffer, offset))) {
        types.push(typeAt(buffer, offset));
      }
      return types;
    },
  };
}

const typeAt = (buffer: Buffer, offset: number): number =>
  buffer.readUInt16LE(offset + 2) & ATTRIBUTE_TYPE_MASK;

/** Bytes of the attribute that starts there; 0 where none does. */
function lengthAt(buffer: Buffer, offset: number): number {
  if (offset + 4 > buffer.length) return 0;
  const length = buffer.readUInt16LE(offset);
  return length < 4 || offset + length > buffer.length ? 0 : length;
}

/** The attributes inside a nested one, none where it is absent. */
export const inside = (attributes: Attributes, type: number): Attributes =>
  decodeAttributes(attributes.get(type) ?? Buffer.alloc(0));

export const readText = (payload: Buffer | undefined): string | undefined =>
  payload?.toString('utf8').replace(/\0.*$/s, '');

/** Undefined also for what is too short to be one. */
export const readU32 = (payload: Buffer | undefined): number | undefined =>
  payload === undefined || payload.length < 4 ? undefined : payload.readUInt32LE(0);
