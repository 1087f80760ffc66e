import { close, closeSync } from 'node:fs';
import { promisify } from 'node:util';
import { decodeProgram, type Program, type TcxProgram } from '../bpf/program.ts';
import { BindingError } from '../errors.ts';
import { describeFailure, isUnanswered, native } from '../native/native.ts';
import { type NativePart, READ_FILE, READ_PROGRAM } from '../native/parts.ts';
import { isRefused, type Look, type Query } from '../netlink/message.ts';
import type { Link } from '../rtnetlink/link.ts';
import { type DeviceNumber, decodeDeviceNumber } from './device-number.ts';
import { encodePart } from './encode-part.ts';
import { readOutcome } from './outcome.ts';
import { FILES, type KernelFile, type Part, type PartOutcome, SYSCTLS, type Sysctls } from './part.ts';
import { newQuestions } from './questions.ts';

export type { DeviceNumber } from './device-number.ts';

type Answers<Queries extends readonly Query<unknown>[]> = {
  [K in keyof Queries]: Queries[K] extends Query<infer T> ? T : never;
};

/** Maximum size in bytes of a reply; a query may have a lower limit. */
const MAX_REPLY = 16 * 1024 * 1024;

const closeElsewhere = promisify(close);

/**
 * Maximum number of attempts. A dump that changes while the kernel writes it is requested again.
 */
const DUMP_TRIES = 10;
const ENOENT = 2;
const ENOBUFS = 105;
const UNREADABLE = 'Cannot read the state of the netns';

/**
 * Access to one netns, for one caller at a time. JavaScript's thread never waits for the kernel.
 */
export class Rtnetlink {
  /** Descriptor of the netns; -1: that of this process. */
  readonly #netns: number;
  readonly #limit: number;
  /** Descriptors that the addon passes from one call to the next; -1: not open. */
  #open = { socket: -1, nftables: -1, tap: -1 };
  /** Number of the next request. */
  #seq = 1;

  /**
   * @param netns a descriptor, which must stay open until `close`; null: the netns of this process
   * @param limit maximum size in bytes of the reply to each query
   */
  constructor(netns: number | null, limit = MAX_REPLY) {
    this.#netns = netns ?? -1;
    this.#limit = limit;
  }

  /**
   * Sends all queries at once and returns their results.
   *
   * @throws {BindingError} KERNEL_REFUSED, TRY_AGAIN
   */
  async ask<Queries extends readonly Query<unknown>[]>(...queries: Queries): Promise<Answers<Queries>> {
    return (await this.askWithTcx(...queries))[0];
  }

  /**
   * Like `ask`, but returns refusals, and results that may be incomplete. Repeats the queries until
   * their results are consistent, or the attempts are used up.
   *
   * @throws {BindingError} TRY_AGAIN if the kernel did not reply at all
   */
  async look<Queries extends readonly Query<unknown>[]>(...queries: Queries): Promise<Look<Queries>> {
    for (let tries = 1; ; tries++) {
      const questions = newQuestions(queries, this.#seq, this.#limit);
      this.#seq += queries.length;
      const outcomes = await this.#runNative(questions.parts, true);
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
  }

  /** Like `ask`, but also returns the TCX programs, like `look`. */
  async askWithTcx<Queries extends readonly Query<unknown>[]>(
    ...queries: Queries
  ): Promise<readonly [Answers<Queries>, readonly TcxProgram[]]> {
    const { answers, unsettled, tcx } = await this.look(...queries);
    const reason = (answers as readonly unknown[]).find(isRefused)?.refused ?? unsettled;
    if (reason !== null) throw new BindingError('KERNEL_REFUSED', `${UNREADABLE}: ${reason}`);
    return [answers as Answers<Queries>, tcx];
  }

  /** Reads the programs; omits those that cannot be read. @throws {BindingError} KERNEL_REFUSED */
  async readPrograms(ids: readonly number[]): Promise<readonly Program[]> {
    const outcomes = await this.#runNative(
      ids.map((id): NativePart => [READ_PROGRAM, id]),
      true,
    );
    return outcomes.filter(Buffer.isBuffer).map(decodeProgram);
  }

  /** @throws {BindingError} KERNEL_REFUSED */
  async readSysctls(): Promise<Sysctls> {
    const reads = SYSCTLS.map((sysctl): NativePart => readFile(sysctl));
    const outcomes = await this.#runNative(reads, true);
    const texts = SYSCTLS.map((sysctl, i) => {
      const text = outcomes[i];
      if (Buffer.isBuffer(text)) return [sysctl, text.toString('latin1').trim().replace('\t', ' ')];
      throw new BindingError('KERNEL_REFUSED', `Cannot read ${sysctl}: ${describeFailure(text)}`);
    });
    return Object.fromEntries(texts);
  }

  /**
   * Reads the number of a macvtap's character device; null if the link no longer exists.
   *
   * @throws {BindingError} KERNEL_REFUSED
   */
  async readTapDevice({ ifname, ifindex }: Pick<Link, 'ifname' | 'ifindex'>): Promise<DeviceNumber | null> {
    const [text] = await this.#runNative([readFile('tap device', ifname, ifindex)], true);
    if (text instanceof Error && (text as NodeJS.ErrnoException).errno === ENOENT) return null;
    const number = Buffer.isBuffer(text) ? decodeDeviceNumber(text.toString('latin1')) : null;
    if (number !== null) return number;
    const reason = text instanceof Error ? describeFailure(text) : 'sysfs does not contain one';
    const advice = reason.startsWith('make a sysfs') ? '; grant CAP_SYS_ADMIN on Linux 5.2 or newer' : '';
    throw new BindingError(
      'KERNEL_REFUSED',
      `Cannot read the device number of "${ifname}": ${reason}${advice}`,
    );
  }

  /**
   * Runs the parts in order, and returns the refusals of each.
   *
   * @param continueOnError whether to run the next part after one that failed or that the kernel
   *   refused
   * @throws {BindingError} KERNEL_REFUSED if the netns cannot be reached
   */
  async run(parts: readonly Part[], continueOnError: boolean): Promise<readonly PartOutcome[]> {
    const firsts: number[] = [];
    const encoded = parts.map((part) => {
      firsts.push(this.#seq);
      const { encoded: one, next } = encodePart(part, this.#seq, this.#netns);
      this.#seq = next;
      return one;
    });
    const outcomes = await this.#runNative(encoded, continueOnError);
    return parts.map((part, i) => readOutcome(outcomes[i], part, firsts[i] ?? 0));
  }

  async close(): Promise<void> {
    const { socket, nftables, tap } = this.#open;
    this.#open = { socket: -1, nftables: -1, tap: -1 };
    if (socket >= 0) setImmediate(closeSync, socket); // nothing depends on it
    if (nftables >= 0) setImmediate(native.closeNftables, nftables);
    // Deleting a tap with its descriptor blocks on RCU.
    if (tap >= 0) await closeElsewhere(tap);
  }

  /** Runs parts in the netns, and keeps the descriptors that are open afterwards. */
  async #runNative(parts: readonly NativePart[], continueOnError: boolean) {
    const { socket, nftables, tap } = this.#open;
    try {
      const [socketNow, nftablesNow, tapNow, doneTap, ...outcomes] = await native.run(
        this.#netns,
        socket,
        nftables,
        tap,
        continueOnError,
        parts,
      );
      this.#open = { socket: socketNow, nftables: nftablesNow, tap: tapNow };
      // QEMU cannot attach to a single-queue tap that another process has open. close() blocks on
      // RCU. Do not wait: it ends long before QEMU starts.
      if (doneTap >= 0) close(doneTap, () => {});
      return outcomes;
    } catch (cause) {
      throw new BindingError('KERNEL_REFUSED', `Cannot reach the netns: ${describeFailure(cause)}`, {
        cause,
      });
    }
  }
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
