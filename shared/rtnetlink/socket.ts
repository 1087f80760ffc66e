import { closeSync } from 'node:fs';
import { BindingError } from '../errors.ts';
import { describeFailure, native } from '../native/native.ts';
import {
  decodeAttributes,
  decodeMessages,
  encodeRequests,
  type Message,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_DUMP_INTR,
  NLMSG_ERROR,
  type Query,
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

type Answers<Queries extends readonly Query<unknown>[]> = {
  [K in keyof Queries]: Queries[K] extends Query<infer T> ? T : never;
};

/** An rtnetlink socket in one netns, for one caller at a time. It is never JavaScript's thread that waits for the kernel. */
export interface Rtnetlink {
  /** Its descriptor. */
  readonly fd: number;
  /** Asks all in one go. @throws {BindingError} KERNEL_REFUSED */
  ask<Queries extends readonly Query<unknown>[]>(...queries: Queries): Promise<Answers<Queries>>;
  /**
   * Sends requests that change something, in one go. Null for each that the kernel did; it goes on with the next one whether
   * it did or not.
   */
  change(requests: readonly Request[]): Promise<readonly (Refusal | null)[]>;
  /** Deletes a link and waits until it is out of the netns, which is about 18 ms (RCU) before the kernel would answer. */
  deleteLink(deletion: Request): Promise<Refusal | null>;
  close(): void;
}

/** A dump that changes under the kernel's hands is asked for again. */
const DUMP_TRIES = 10;
const NLMSG_ERROR_BYTES = 4 + 16; // error number, header of the request (NETLINK_CAP_ACK: not its body)
const NLMSGERR_ATTR_MSG = 1;

/**
 * Opens a socket in the netns of that descriptor, or in our own for null.
 *
 * @throws {BindingError} KERNEL_REFUSED
 */
export async function openRtnetlink(netns: number | null): Promise<Rtnetlink> {
  const fd = await reaching(native.openRtnetlink(netns ?? -1));
  let next = 1;

  /** The answers to each of the requests. */
  const exchange = async (requests: readonly Request[]): Promise<readonly (readonly Message[])[]> => {
    const first = next;
    next += requests.length;
    const answers = decodeMessages(await reaching(native.exchange(fd, encodeRequests(requests, first))));
    return requests.map((_, i) => answers.filter(({ seq }) => seq === first + i));
  };

  return {
    fd,
    async ask<Queries extends readonly Query<unknown>[]>(...queries: Queries) {
      for (let tries = 0; tries < DUMP_TRIES; tries++) {
        const dumps = await exchange(queries.map(({ request }) => request));
        if (dumps.flat().some(({ flags }) => (flags & NLM_F_DUMP_INTR) !== 0)) continue;
        return queries.map(({ decode }, i) => decode(withoutEnd(dumps[i] ?? []))) as Answers<Queries>;
      }
      throw new BindingError(
        'KERNEL_REFUSED',
        `Cannot read the state of the netns: it changed during each of ${DUMP_TRIES} attempts`,
      );
    },
    async change(requests) {
      if (requests.length === 0) return [];
      const answers = await exchange(requests.map(acknowledged));
      return answers.map(([answer]) => (answer === undefined ? null : readRefusal(answer)));
    },
    async deleteLink(deletion) {
      const request = encodeRequests([acknowledged(deletion)], next++);
      const [answer] = decodeMessages(await reaching(native.deleteLink(fd, request)));
      return answer === undefined ? null : readRefusal(answer);
    },
    close: () => closeSync(fd),
  };
}

const acknowledged = (request: Request): Request => ({ ...request, flags: request.flags | NLM_F_ACK });

async function reaching<T>(job: Promise<T>): Promise<T> {
  try {
    return await job;
  } catch (cause) {
    throw new BindingError('KERNEL_REFUSED', `Cannot reach the netns: ${describeFailure(cause)}`, { cause });
  }
}

/** A dump ends with a message of its own, which may be a refusal. */
function withoutEnd(dump: readonly Message[]): readonly Message[] {
  const end = dump.at(-1);
  const refusal = end === undefined ? null : readRefusal(end);
  if (refusal === null) return dump.slice(0, -1);
  throw new BindingError('KERNEL_REFUSED', `Cannot read the state of the netns: ${refusal.reason}`);
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
