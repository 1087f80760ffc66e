import { BindingError } from '../shared/errors.ts';

/** One field as it lies on the wire. Fixed-width fields are skipped: the hooks API has none. */
export type Field =
  | { readonly number: number; readonly kind: 'varint'; readonly value: number }
  | { readonly number: number; readonly kind: 'bytes'; readonly value: Uint8Array };

/** A 64-bit varint in groups of 7 bits. */
const MAX_VARINT_BYTES = 10;
/** Messages of the hooks API have four; a million empty ones would take all the memory there is. */
const MAX_FIELDS = 1000;

/**
 * Reads the fields of one protobuf message, in wire order.
 *
 * `bytes` values are views into `message`, not copies. Varints beyond 2^53 lose precision; none that we read comes near.
 *
 * @throws {BindingError} INVALID_REQUEST when the bytes are not a protobuf message
 * Source: protobuf "Encoding"
 */
export function readFields(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;

  const malformed = (why: string) =>
    new BindingError(
      'INVALID_REQUEST',
      `Cannot read hook request: ${why} at byte ${at} of ${message.length}`,
    );
  const varint = () => {
    let value = 0;
    for (let index = 0; index < MAX_VARINT_BYTES; index += 1) {
      const byte = message[at];
      if (byte === undefined) throw malformed('message ends within a number');
      at += 1;
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return value;
    }
    throw malformed('number is longer than 10 bytes');
  };
  const take = (length: number) => {
    if (length > message.length - at) throw malformed(`field of ${length} bytes runs past the end`);
    at += length;
    return message.subarray(at - length, at);
  };

  for (let count = 0; at < message.length; count += 1) {
    if (count === MAX_FIELDS) throw malformed(`message has more than ${MAX_FIELDS} fields`);
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (number < 1 || number >= 2 ** 29) throw malformed(`field number ${number} is out of range`);
    const wireType = tag % 8;
    if (wireType === 0) fields.push({ number, kind: 'varint', value: varint() });
    else if (wireType === 1) take(8);
    else if (wireType === 2) fields.push({ number, kind: 'bytes', value: take(varint()) });
    else if (wireType === 5) take(4);
    else throw malformed(`wire type ${wireType} is unknown`); // 3 and 4 are groups, which proto3 does not have
  }
  return fields;
}

/** The last value of a length-delimited field, as proto3 wants it; empty where the message does not have it. */
export function bytesOf(fields: readonly Field[], number: number): Uint8Array {
  const field = fields.findLast((candidate) => candidate.number === number && candidate.kind === 'bytes');
  return field?.kind === 'bytes' ? field.value : new Uint8Array();
}

function writeVarint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

/** Encodes one length-delimited field: bytes, a string, or a message that is encoded already. */
export function writeBytes(number: number, value: Uint8Array | string): Buffer {
  const payload = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return Buffer.concat([
    Buffer.from([...writeVarint(number * 8 + 2), ...writeVarint(payload.length)]),
    payload,
  ]);
}
