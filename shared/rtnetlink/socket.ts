import { close, closeSync } from 'node:fs';
import { promisify } from 'node:util';
import { BindingError, toError } from '../errors.ts';
import {
  CREATE_TAP,
  DELETE_LINK,
  describeFailure,
  EXCHANGE,
  type NativePart,
  native,
  PERSIST_TAP,
  READ_SYSCTL,
  WRITE_SYSCTL,
} from '../native/native.ts';
import { decodeAttributes, readText } from './attribute.ts';
import {
  decodeMessages,
  encodeRequests,
  type Message,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_DUMP_INTR,
  NLMSG_ERROR,
  type Query,
  type Request,
} from './message.ts';
import { type Part, type Refusal, type Refusals, SYSCTLS, type Sysctls } from './part.ts';

type Answers<Queries extends readonly Query<unknown>[]> = {
  [K in keyof Queries]: Queries[K] extends Query<infer T> ? T : never;
};

/** One netns, for one caller at a time. It is never JavaScript's thread that waits for the kernel. */
export interface Rtnetlink {
  /** Asks all in one go. @throws {BindingError} KERNEL_REFUSED */
  ask<Queries extends readonly Query<unknown>[]>(...queries: Queries): Promise<Answers<Queries>>;
  /** @throws {BindingError} KERNEL_REFUSED */
  readSysctls(): Promise<Sysctls>;
  /**
   * @param goesOn whether it does after a part that failed, or of which the kernel refused something
   * @throws {BindingError} KERNEL_REFUSED when the netns cannot be reached
   */
  run(parts: readonly Part[], goesOn: boolean): Promise<readonly Refusals[]>;
  close(): Promise<void>;
}

const closeElsewhere = promisify(close);

/** A dump that changes under the kernel's hands is asked for again. */
const DUMP_TRIES = 10;
const NLMSG_ERROR_BYTES = 4 + 16; // error number, header of the request (NETLINK_CAP_ACK: not its body)
const NLMSGERR_ATTR_MSG = 1;

/** A way into the netns of that descriptor, which must stay open until the way is closed; or into our own, for null. */
export function openRtnetlink(netns: number | null): Rtnetlink {
  let [socket, tap] = [-1, -1];
  let seq = 1;

  const number = (requests: readonly Request[]): Uint32Array => {
    const encoded = encodeRequests(requests, seq);
    seq += requests.length;
    return encoded;
  };

  const encode = (part: Part): NativePart => {
    switch (part.part) {
      case 'change':
        return [EXCHANGE, number(part.requests.map(acknowledged))];
      case 'deleteLink':
        return [DELETE_LINK, number([acknowledged(part.deletion)])];
      case 'createTap': {
        const { ifname, ifindex, multiQueue, owner, group, labelled } = part.tap;
        const { label, helper } = labelled ?? { label: null, helper: null };
        return [CREATE_TAP, ifname, ifindex, multiQueue, owner ?? -1, group ?? -1, label, helper];
      }
      case 'persistTap':
        return [PERSIST_TAP];
      case 'writeSysctl':
        return [WRITE_SYSCTL, SYSCTLS.indexOf(part.sysctl), part.value];
    }
  };

  const runNative = async (parts: readonly NativePart[], goesOn: boolean) => {
    try {
      const [socketNow, tapNow, doneTap, ...outcomes] = await native.run(
        netns ?? -1,
        socket,
        tap,
        goesOn,
        parts,
      );
      [socket, tap] = [socketNow, tapNow];
      // QEMU cannot attach to a single-queue tap that somebody else has open. Closing waits for RCU, but nobody for that: it is
      // over long before there is a QEMU.
      if (doneTap >= 0) close(doneTap, () => {});
      return outcomes;
    } catch (cause) {
      throw new BindingError('KERNEL_REFUSED', `Cannot reach the netns: ${describeFailure(cause)}`, {
        cause,
      });
    }
  };

  return {
    async ask<Queries extends readonly Query<unknown>[]>(...queries: Queries) {
      for (let tries = 0; tries < DUMP_TRIES; tries++) {
        const first = seq;
        const [answer = null] = await runNative(
          [[EXCHANGE, number(queries.map(({ request }) => request))]],
          true,
        );
        if (!Buffer.isBuffer(answer)) {
          throw new BindingError(
            'KERNEL_REFUSED',
            `Cannot read the state of the netns: ${describeFailure(answer)}`,
          );
        }
        const messages = decodeMessages(answer);
        if (messages.some(({ flags }) => (flags & NLM_F_DUMP_INTR) !== 0)) continue;
        return queries.map(({ decode }, i) =>
          decode(withoutEnd(messages.filter((message) => message.seq === first + i))),
        ) as Answers<Queries>;
      }
      throw new BindingError(
        'KERNEL_REFUSED',
        `Cannot read the state of the netns: it changed during each of ${DUMP_TRIES} attempts`,
      );
    },
    async readSysctls() {
      const reads = SYSCTLS.map((_, i): NativePart => [READ_SYSCTL, i]);
      const outcomes = await runNative(reads, true);
      const texts = SYSCTLS.map((sysctl, i) => {
        const text = outcomes[i];
        if (Buffer.isBuffer(text)) return [sysctl, text.toString('latin1').trim().replace('\t', ' ')];
        throw new BindingError('KERNEL_REFUSED', `Cannot read ${sysctl}: ${describeFailure(text)}`);
      });
      return Object.fromEntries(texts);
    },
    async run(parts, goesOn) {
      const firsts: number[] = [];
      const encoded = parts.map((part) => {
        firsts.push(seq);
        return encode(part);
      });
      const outcomes = await runNative(encoded, goesOn);
      return parts.map((part, i) => readOutcome(outcomes[i], part, firsts[i] ?? 0));
    },
    async close() {
      if (socket >= 0) setImmediate(closeSync, socket); // nobody need wait for that
      // The kernel waits for RCU when a tap goes with its descriptor.
      if (tap >= 0) await closeElsewhere(tap);
      [socket, tap] = [-1, -1];
    },
  };
}

const acknowledged = (request: Request): Request => ({ ...request, flags: request.flags | NLM_F_ACK });

/** @param first number of the part's first request */
function readOutcome(outcome: Buffer | Error | null | undefined, part: Part, first: number): Refusals {
  const count = part.part === 'change' ? part.requests.length : 1;
  if (outcome === undefined) return undefined;
  if (outcome !== null && !Buffer.isBuffer(outcome)) {
    const reason = describeFailure(outcome);
    return Array(count).fill({ errno: (toError(outcome) as NodeJS.ErrnoException).errno ?? 0, reason });
  }
  const refusals: (Refusal | null)[] = Array(count).fill(null);
  for (const message of outcome === null ? [] : decodeMessages(outcome))
    refusals[message.seq - first] = readRefusal(message);
  return refusals;
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
  const explained =
    (flags & NLM_F_ACK_TLVS) === 0
      ? undefined
      : readText(decodeAttributes(body, type === NLMSG_ERROR ? NLMSG_ERROR_BYTES : 4), NLMSGERR_ATTR_MSG);
  const meaning = native.strerror(errno);
  return {
    errno,
    reason: explained === undefined ? meaning : `${explained.replace(/\.$/, '')} (${meaning})`,
  };
}
