import { close, closeSync } from 'node:fs';
import { promisify } from 'node:util';
import { decodeProgram, type Program, type TcxProgram } from '../bpf/program.ts';
import { BindingError } from '../errors.ts';
import {
  CREATE_TAP,
  DELETE_LINK,
  describeFailure,
  EXCHANGE,
  EXCHANGE_AT_HOME,
  isUnanswered,
  type NativePart,
  NFTABLES,
  native,
  PERSIST_TAP,
  READ_FILE,
  READ_PROGRAM,
  WRITE_FILE,
} from '../native/native.ts';
import {
  encodeRequests,
  isRefused,
  type Look,
  NLM_F_ACK,
  type Query,
  type Request,
} from '../netlink/message.ts';
import { batch } from '../nftables/message.ts';
import type { Link } from '../rtnetlink/link.ts';
import { type DeviceNumber, decodeDeviceNumber } from './device-number.ts';
import { readOutcome } from './outcome.ts';
import { FILES, type KernelFile, type Part, type PartOutcome, SYSCTLS, type Sysctls } from './part.ts';
import { newQuestions } from './questions.ts';

export type { DeviceNumber } from './device-number.ts';

type Answers<Queries extends readonly Query<unknown>[]> = {
  [K in keyof Queries]: Queries[K] extends Query<infer T> ? T : never;
};

/**
 * Access to one netns, for one caller at a time. JavaScript's thread never waits for the kernel.
 */
export interface Rtnetlink {
  /**
   * Sends all queries at once and returns their results.
   *
   * @throws {BindingError} KERNEL_REFUSED, TRY_AGAIN
   */
  ask<Queries extends readonly Query<unknown>[]>(...queries: Queries): Promise<Answers<Queries>>;
  /**
   * Like `ask`, but returns refusals, and results that may be incomplete.
   *
   * @throws {BindingError} TRY_AGAIN if the kernel did not reply at all
   */
  look<Queries extends readonly Query<unknown>[]>(...queries: Queries): Promise<Look<Queries>>;
  /** Like `ask`, but also returns the TCX programs, like `look`. */
  askWithTcx<Queries extends readonly Query<unknown>[]>(
    ...queries: Queries
  ): Promise<readonly [Answers<Queries>, readonly TcxProgram[]]>;
  /** Reads the programs; omits those that cannot be read. @throws {BindingError} KERNEL_REFUSED */
  readPrograms(ids: readonly number[]): Promise<readonly Program[]>;
  /** @throws {BindingError} KERNEL_REFUSED */
  readSysctls(): Promise<Sysctls>;
  /**
   * Reads the number of a macvtap's character device; null if the link no longer exists.
   *
   * @throws {BindingError} KERNEL_REFUSED
   */
  readTapDevice(link: Pick<Link, 'ifname' | 'ifindex'>): Promise<DeviceNumber | null>;
  /**
   * Runs the parts in order, and returns the refusals of each.
   *
   * @param continueOnError whether to run the next part after one that failed or that the kernel
   *   refused
   * @throws {BindingError} KERNEL_REFUSED if the netns cannot be reached
   */
  run(parts: readonly Part[], continueOnError: boolean): Promise<readonly PartOutcome[]>;
  close(): Promise<void>;
}

/** Maximum size in bytes of a reply; a query may have a lower limit. */
const MAX_REPLY = 16 * 1024 * 1024;
const KEEP_ALL = new Uint32Array(0);

const closeElsewhere = promisify(close);

/**
 * Maximum number of attempts. A dump that changes while the kernel writes it is requested again.
 */
const DUMP_TRIES = 10;
const ENOENT = 2;
const ENOBUFS = 105;
const UNREADABLE = 'Cannot read the state of the netns';

/**
 * Opens the netns of a descriptor, which must stay open until `close`, or the netns of this process
 * for null.
 *
 * 1. The state is the sockets and the tap that `native.run` passes from one call to the next, and
 *    the number of the next request.
 * 2. `encode` numbers the requests of a part and turns it into a NativePart.
 * 3. `runNative` runs native parts, keeps the new state and closes a tap that has become
 *    persistent.
 * 4. `look` repeats queries until their results are consistent; `ask` and `askWithTcx` reject
 *    refusals.
 * 5. The remaining methods read programs and sysctls, run parts, and close what is open.
 *
 * @param limit maximum size in bytes of the reply to each query
 */
export function openRtnetlink(netns: number | null, limit = MAX_REPLY): Rtnetlink {
  let [socket, nftables, tap] = [-1, -1, -1];
  let seq = 1;

  const number = (requests: readonly Request[]): Uint32Array => {
    const encoded = encodeRequests(requests, seq);
    seq += requests.length;
    return encoded;
  };

  const encode = (part: Part): NativePart => {
    switch (part.part) {
      case 'change':
        return [EXCHANGE, number(part.requests.map(acknowledged)), KEEP_ALL];
      case 'deleteLink':
        return [DELETE_LINK, number([acknowledged(part.deletion)])];
      case 'createTap': {
        const { ifname, ifindex, multiQueue, owner, group, labelled } = part.tap;
        const { label, helper } = labelled ?? { label: null, helper: null };
        return [CREATE_TAP, ifname, ifindex, multiQueue, owner ?? -1, group ?? -1, label, helper];
      }
      case 'persistTap':
        return [PERSIST_TAP];
      case 'nftables':
        return [NFTABLES, number(batch(part.requests))];
      case 'writeSysctl':
        return [WRITE_FILE, FILES.indexOf(part.sysctl), '', 0, part.value];
      case 'disableIpv6':
        return [WRITE_FILE, FILES.indexOf('disable_ipv6'), part.ifname, 0, '1'];
      case 'changeAtHome':
        return [EXCHANGE_AT_HOME, number([acknowledged(part.request(netns ?? -1))])];
    }
  };

  const runNative = async (parts: readonly NativePart[], continueOnError: boolean) => {
    try {
      const [socketNow, nftablesNow, tapNow, doneTap, ...outcomes] = await native.run(
        netns ?? -1,
        socket,
        nftables,
        tap,
        continueOnError,
        parts,
      );
      [socket, nftables, tap] = [socketNow, nftablesNow, tapNow];
      // QEMU cannot attach to a single-queue tap that another process has open. close() blocks on
      // RCU. Do not wait: it ends long before QEMU starts.
      if (doneTap >= 0) close(doneTap, () => {});
      return outcomes;
    } catch (cause) {
      throw new BindingError('KERNEL_REFUSED', `Cannot reach the netns: ${describeFailure(cause)}`, {
        cause,
      });
    }
  };

  const look = async <Queries extends readonly Query<unknown>[]>(
    ...queries: Queries
  ): Promise<Look<Queries>> => {
    for (let tries = 1; ; tries++) {
      const questions = newQuestions(queries, seq, limit);
      seq += queries.length;
      const outcomes = await runNative(questions.parts, true);
      const isLast = tries === DUMP_TRIES;
      const isChanged = questions.isChanged(outcomes);
      if (isChanged && !isLast) continue;
      const reply = await questions.read(outcomes);
      if (reply instanceof Error) {
        if (isOverrun(reply) && !isLast) continue;
        throw new BindingError('TRY_AGAIN', `${UNREADABLE}: ${describeFailure(reply)}; try again`);
      }
      const { cutShort, tcx } = reply;
      const unsettled = isChanged ? `it changed during each of ${DUMP_TRIES} attempts` : cutShort;
      return { answers: reply.answers as Look<Queries>['answers'], unsettled, tcx };
    }
  };

  const askWithTcx = async <Queries extends readonly Query<unknown>[]>(...queries: Queries) => {
    const { answers, unsettled, tcx } = await look(...queries);
    const reason = (answers as readonly unknown[]).find(isRefused)?.refused ?? unsettled;
    if (reason !== null) throw new BindingError('KERNEL_REFUSED', `${UNREADABLE}: ${reason}`);
    return [answers as Answers<Queries>, tcx] as const;
  };

  return {
    look,
    ask: async (...queries) => (await askWithTcx(...queries))[0],
    askWithTcx,
    async readPrograms(ids) {
      const outcomes = await runNative(
        ids.map((id): NativePart => [READ_PROGRAM, id]),
        true,
      );
      return outcomes.filter(Buffer.isBuffer).map(decodeProgram);
    },
    async readSysctls() {
      const reads = SYSCTLS.map((sysctl): NativePart => readFile(sysctl));
      const outcomes = await runNative(reads, true);
      const texts = SYSCTLS.map((sysctl, i) => {
        const text = outcomes[i];
        if (Buffer.isBuffer(text)) return [sysctl, text.toString('latin1').trim().replace('\t', ' ')];
        throw new BindingError('KERNEL_REFUSED', `Cannot read ${sysctl}: ${describeFailure(text)}`);
      });
      return Object.fromEntries(texts);
    },
    async readTapDevice({ ifname, ifindex }) {
      const [text] = await runNative([readFile('tap device', ifname, ifindex)], true);
      if (text instanceof Error && (text as NodeJS.ErrnoException).errno === ENOENT) return null;
      const number = Buffer.isBuffer(text) ? decodeDeviceNumber(text.toString('latin1')) : null;
      if (number !== null) return number;
      const reason = text instanceof Error ? describeFailure(text) : 'sysfs does not contain one';
      const advice = reason.startsWith('make a sysfs') ? '; grant CAP_SYS_ADMIN on Linux 5.2 or newer' : '';
      throw new BindingError(
        'KERNEL_REFUSED',
        `Cannot read the device number of "${ifname}": ${reason}${advice}`,
      );
    },
    async run(parts, continueOnError) {
      const firsts: number[] = [];
      const encoded = parts.map((part) => {
        firsts.push(seq);
        return encode(part);
      });
      const outcomes = await runNative(encoded, continueOnError);
      return parts.map((part, i) => readOutcome(outcomes[i], part, firsts[i] ?? 0));
    },
    async close() {
      if (socket >= 0) setImmediate(closeSync, socket); // nothing depends on it
      if (nftables >= 0) setImmediate(native.closeNftables, nftables);
      // Deleting a tap with its descriptor blocks on RCU.
      if (tap >= 0) await closeElsewhere(tap);
      [socket, nftables, tap] = [-1, -1, -1];
    },
  };
}

const readFile = (file: KernelFile, ifname = '', ifindex = 0): NativePart => [
  READ_FILE,
  FILES.indexOf(file),
  ifname,
  ifindex,
];

/** Whether the reply did not fit in the socket's buffer. The next attempt opens a new socket. */
const isOverrun = (error: unknown): boolean =>
  isUnanswered(error) && (error as NodeJS.ErrnoException).errno === ENOBUFS;

const acknowledged = (request: Request): Request => ({ ...request, flags: request.flags | NLM_F_ACK });
