import { closeSync, readSync, writeSync } from 'node:fs';
import { BindingError } from '../errors.ts';
import { describeFailure, native } from '../native/native.ts';
import {
  decodeAttributes,
  decodeMessages,
  encodeRequest,
  type Message,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  type Request,
  readText,
} from './message.ts';

/** Why the kernel refused a request. */
export interface Refusal {
  /** Positive, as in errno.h. */
  readonly errno: number;
  /** `mtu greater than device maximum (Invalid argument)`; without an explanation of the kernel only the latter. */
  readonly reason: string;
}

/** An rtnetlink socket in one netns, for one caller at a time. */
export interface Rtnetlink {
  /** Sends one request that changes something. Null when the kernel did it. */
  request(request: Request): Promise<Refusal | null>;
  /** Asks for everything that `request` selects. @throws {BindingError} KERNEL_REFUSED */
  dump(request: Request): Promise<readonly Message[]>;
  close(): void;
}

/** A dump's messages come in datagrams of at most 32 KiB (kernel netlink_dump). */
const RECEIVE_BYTES = 64 * 1024;
/** A dump that changes under the kernel's hands is asked for again. */
const DUMP_TRIES = 10;
const NLMSG_ERROR_BYTES = 4 + 16; // error number, header of the request (NETLINK_CAP_ACK: not its body)
const NLMSGERR_ATTR_MSG = 1;

/**
 * Opens a socket in the netns of that descriptor, or in our own for null.
 *
 * @throws {BindingError} KERNEL_REFUSED
 */
export function openRtnetlink(netns: number | null): Rtnetlink {
  const fd = openSocket(netns);
  const buffer = Buffer.alloc(RECEIVE_BYTES);
  let seq = 0;

  /** Messages that answer request `wanted`; whatever an abandoned dump left behind is dropped. */
  const receive = (wanted: number): readonly Message[] => {
    const length = readSync(fd, buffer);
    return decodeMessages(Buffer.from(buffer.subarray(0, length))).filter(
      (message) => message.seq === wanted,
    );
  };

  const tryDump = (request: Request): readonly Message[] | 'interrupted' => {
    const answers: Message[] = [];
    seq += 1;
    writeSync(fd, encodeRequest({ ...request, flags: request.flags | NLM_F_DUMP }, seq));
    for (;;) {
      for (const message of receive(seq)) {
        const refusal =
          message.type === NLMSG_ERROR || message.type === NLMSG_DONE ? readRefusal(message) : null;
        if (refusal !== null) {
          throw new BindingError('KERNEL_REFUSED', `Cannot read the state of the netns: ${refusal.reason}`);
        }
        answers.push(message);
        if (message.type !== NLMSG_DONE) continue;
        const interrupted = answers.some(({ flags }) => (flags & NLM_F_DUMP_INTR) !== 0);
        return interrupted ? 'interrupted' : answers.slice(0, -1);
      }
    }
  };

  return {
    async request(request) {
      seq += 1;
      writeSync(fd, encodeRequest({ ...request, flags: request.flags | NLM_F_ACK }, seq));
      for (;;) {
        const answer = receive(seq).find(({ type }) => type === NLMSG_ERROR);
        if (answer !== undefined) return readRefusal(answer);
      }
    },
    async dump(request) {
      for (let tries = 0; tries < DUMP_TRIES; tries++) {
        const answers = tryDump(request);
        if (answers !== 'interrupted') return answers;
      }
      throw new BindingError(
        'KERNEL_REFUSED',
        `Cannot read the state of the netns: it changed during each of ${DUMP_TRIES} attempts`,
      );
    },
    close: () => closeSync(fd),
  };
}

function openSocket(netns: number | null): number {
  try {
    return native.openRtnetlink(netns ?? -1);
  } catch (cause) {
    throw new BindingError('KERNEL_REFUSED', `Cannot reach the netns: ${describeFailure(cause)}`, { cause });
  }
}

/** Reads an error or done message: a negative errno first, and the kernel's explanation where it gives one. */
function readRefusal({ type, flags, body }: Message): Refusal | null {
  const errno = body.length < 4 ? 0 : -body.readInt32LE(0);
  if (errno === 0) return null;
  const attributes = body.subarray(type === NLMSG_ERROR ? NLMSG_ERROR_BYTES : 4);
  const explained =
    (flags & NLM_F_ACK_TLVS) === 0
      ? undefined
      : readText(decodeAttributes(attributes).get(NLMSGERR_ATTR_MSG));
  const meaning = native.strerror(errno);
  return {
    errno,
    reason: explained === undefined ? meaning : `${explained.replace(/\.$/, '')} (${meaning})`,
  };
}
