/**
 * The format of netlink messages: a 16-byte header, a fixed body of the message's family, then
 * attributes. Each part is padded to four bytes. All integers are in host order, and every
 * architecture that Tapwire is built for is little-endian.
 *
 * Source: linux/netlink.h, RFC 3549
 */

import type { TcxProgram } from '../bpf/program.ts';
import { align4, type Words } from './attribute.ts';

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
export const NLM_F_DUMP = 0x300;
/** In an error message: attributes with the kernel's explanation follow. */
export const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_ERROR = 2;

const HEADER_BYTES = 16;

/**
 * A request: its RTM_* type, its NLM_F_* flags except for REQUEST, and its body with attributes.
 */
export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly body: Words;
}

/** What to keep of a reply that a process in the pod can make long. */
export interface Keep {
  /** Maximum size of the reply in bytes. */
  readonly limit: number;
  /** Types of the attributes that are decoded; the others are not kept. */
  readonly types: readonly number[];
  /** Size in bytes of the fixed body of each message, in front of its attributes. */
  readonly body: number;
}

/** A request for all objects of a kind, and how to decode the replies. */
export interface Query<T> {
  readonly request: Request;
  /** If absent, all attributes are kept, up to a limit that no netns in use reaches. */
  readonly keep?: Keep;
  /**
   * The result is a list, to which each message of the reply adds its own elements. So it can be
   * decoded in pieces.
   */
  readonly isList?: boolean;
  /**
   * If the reply ends early, what came before is the result, and `unsettled` of `Look` says why it
   * is not complete. Otherwise, such a query is refused.
   */
  readonly isUsefulInPart?: boolean;
  decode(replies: readonly Message[]): T;
  /** Returns the result if the kernel refuses the request. If absent, a refusal is an error. */
  refused?(reason: string): T;
}

/** A refused query, with the reason. */
export interface Refused {
  readonly refused: string;
}

/** Results of several queries. */
export interface Look<Queries extends readonly Query<unknown>[]> {
  readonly answers: {
    readonly [K in keyof Queries]: Queries[K] extends Query<infer T> ? T | Refused : never;
  };
  /** Null if the results are consistent; else why they may be incomplete. */
  readonly unsettled: string | null;
  /**
   * TCX programs at the ingress of the listed links; empty if the kernel does not list them, or not
   * for this process.
   */
  readonly tcx: readonly TcxProgram[];
}

/** Why a reply about a netns or a link was not read to its end. */
export const TOO_MUCH = 'it has more than Tapwire reads';

export const isRefused = (answer: unknown): answer is Refused =>
  typeof answer === 'object' && answer !== null && 'refused' in answer;

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly body: Buffer;
}

/** Encodes requests, numbered from `seq` on. */
export function encodeRequests(requests: readonly Request[], seq: number): Uint32Array {
  const words: number[] = [];
  for (const [i, { type, flags, body }] of requests.entries()) {
    const length = HEADER_BYTES + body.length * 4;
    // Port id 0: the kernel identifies the sender by its socket.
    words.push(length, type | ((flags | NLM_F_REQUEST) << 16), seq + i, 0, ...body);
  }
  return new Uint32Array(words);
}

/** Splits received bytes into messages. The bodies are views of `buffer`. */
export function decodeMessages(buffer: Buffer): Message[] {
  const messages: Message[] = [];
  for (let offset = 0; offset + HEADER_BYTES <= buffer.length; ) {
    const length = buffer.readUInt32LE(offset);
    if (length < HEADER_BYTES || offset + length > buffer.length) break; // truncated
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

/** Whether any of the received messages has the flag. */
export function hasFlag(buffer: Buffer, flag: number): boolean {
  for (let offset = 0; offset + HEADER_BYTES <= buffer.length; ) {
    if ((buffer.readUInt16LE(offset + 6) & flag) !== 0) return true;
    const length = buffer.readUInt32LE(offset);
    if (length < HEADER_BYTES) return false; // truncated
    offset += align4(length);
  }
  return false;
}
