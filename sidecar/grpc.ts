/**
 * gRPC over HTTP/2, as far as it is bytes and text: unary calls without compression.
 *
 * Source: gRPC "gRPC over HTTP2" (PROTOCOL-HTTP2.md), "Status codes and their use in gRPC" (statuscodes.md)
 */

export const status = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

/** How a call failed. */
export interface Failure {
  /** Never OK. */
  readonly code: number;
  readonly details: string;
}

/** Bytes before a message: whether it is compressed, and its length. */
const PREFIX = 5;
/** Bytes, both ways: gRPC's own default for what is received, and what virt-launcher accepts. */
const MAX_MESSAGE = 4 * 1024 * 1024;

/** A message as it goes into DATA frames. */
export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX + message.length);
  framed.writeUInt8(0, 0);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX);
  return framed;
}

export interface MessageReader {
  /** Takes the next bytes, and says what is wrong as soon as it can be known. */
  read(chunk: Uint8Array): Failure | null;
  /** The one message, when the request has ended. */
  end(): Uint8Array | Failure;
}

/**
 * Puts the one message of a unary request together. The bytes are copied to where they belong as they come: a message in a million
 * frames takes no more memory than one in a single frame.
 *
 * @param admit asked once, with the message's length in bytes, before memory is taken for it
 */
export function readMessage(admit: (length: number) => Failure | null): MessageReader {
  const prefix = Buffer.alloc(PREFIX);
  let message: Buffer | null = null;
  let received = 0;

  const begin = (): Failure | null => {
    const length = prefix.readUInt32BE(1);
    // A flag that promises a compression which the headers do not name, or one we do not have.
    if (prefix[0] !== 0)
      return { code: status.INTERNAL, details: 'Cannot read the request: it is compressed' };
    if (length > MAX_MESSAGE) {
      const details = `Cannot read the request: it has ${length} bytes, more than ${MAX_MESSAGE}`;
      return { code: status.RESOURCE_EXHAUSTED, details };
    }
    const refusal = admit(length);
    if (refusal === null) message = Buffer.allocUnsafeSlow(length);
    return refusal;
  };

  return {
    read(chunk) {
      let rest = chunk;
      if (message === null) {
        const head = rest.subarray(0, PREFIX - received);
        prefix.set(head, received);
        received += head.length;
        rest = rest.subarray(head.length);
        if (received < PREFIX) return null;
        const refusal = begin();
        if (message === null) return refusal;
      }
      const room = message.length - (received - PREFIX);
      if (rest.length > room) return cardinality('more than one message');
      message.set(rest, received - PREFIX);
      received += rest.length;
      return null;
    },
    end() {
      if (received === 0) return cardinality('no message');
      if (message === null || received < PREFIX + message.length) {
        return { code: status.INTERNAL, details: `Cannot read the request: it ends after ${received} bytes` };
      }
      return message;
    },
  };
}

const cardinality = (found: string): Failure => ({
  code: status.UNIMPLEMENTED,
  details: `Cannot read the request: want one message, got ${found}`,
});

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }; // ms

/** The time that the header `grpc-timeout` gives, ms; undefined when it is malformed. */
export function parseTimeout(header: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(header) ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNITS[unit] ?? 1);
}

/** The value of the header `grpc-message`: UTF-8, percent-encoded but for visible ASCII. */
export function encodeDetails(details: string): string {
  const bytes = Buffer.from(details, 'utf8').toString('latin1');
  return bytes.replace(
    /[^\x20-\x24\x26-\x7e]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
