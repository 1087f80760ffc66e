import { createRequire } from 'node:module';
import { messageOf } from '../errors.ts';

/** Waits for a descriptor in the event loop, until `unwatch`. */
export type Watch = { readonly watch: unique symbol };

/** In the order of `enum` in script.h. */
export const EXCHANGE = 0;
export const DELETE_LINK = 1;
export const CREATE_TAP = 2;
export const PERSIST_TAP = 3;
export const READ_SYSCTL = 4;
export const WRITE_SYSCTL = 5;
export const QUERY_TCX = 6;
export const READ_PROGRAM = 7;
export const NFTABLES = 8;

export type NativePart =
  /**
   * Sends netlink requests and receives until each dump has ended and each other request is acknowledged or refused. Fails with
   * EMSGSIZE if the answers have more bytes than the limit; 0 means no limit.
   */
  | readonly [typeof EXCHANGE, requests: Uint32Array, limit: number]
  /** Sends one RTM_DELLINK and waits until the link is out of the netns: then no answer, else the refusal. */
  | readonly [typeof DELETE_LINK, request: Uint32Array]
  /**
   * Makes a tap that lives as long as its descriptor. Ifindex 0 is any; a negative owner or group is none.
   * With a label `helper`, the shim, makes it under that SELinux label.
   */
  | readonly [
      typeof CREATE_TAP,
      ifname: string,
      ifindex: number,
      multiQueue: boolean,
      owner: number,
      group: number,
      label: string | null,
      helper: string | null,
    ]
  /** The tap outlives its descriptor. */
  | readonly [typeof PERSIST_TAP]
  /** By its place in `enum` in sysctl.h; the answer is its text. */
  | readonly [typeof READ_SYSCTL, sysctl: number]
  | readonly [typeof WRITE_SYSCTL, sysctl: number, value: string]
  /** Asks for the TCX programs at the ingress of the links that the part before found: pairs of ifindex and program id. */
  | readonly [typeof QUERY_TCX]
  /** Reads a program: struct program of bpf.h and its instructions. */
  | readonly [typeof READ_PROGRAM, id: number]
  /** Sends one batch to nftables, whose first refusal is the part's failure; or questions, each answered or refused. */
  | readonly [typeof NFTABLES, requests: Uint32Array];

/**
 * What the addon exports. A failure is an Error whose message is the request and which has `errno`. What returns a promise may
 * wait for the kernel, on a thread of Node's pool.
 */
interface Addon {
  /** A descriptor of a netns that nothing else holds. */
  newNetns(): Promise<number>;
  /**
   * Does one thing after the other in a netns, without going back to JavaScript in between.
   *
   * @param netns descriptor; our own where it is negative
   * @param socket rtnetlink socket there; opened first where it is negative
   * @param nftables netfilter socket there; opened by the first part that needs it if it is negative
   * @param tap descriptor of a tap that is not persistent yet; negative without one
   * @param continueOnError whether to run the next part after one that failed or that the kernel refused
   * @returns both sockets and the tap as they are afterwards; the descriptor of a tap that is persistent now, for the caller to close; then of each part its failure; what the kernel answered beside
   * acknowledgements, null where that is nothing; or undefined where it was not come to
   */
  run(
    netns: number,
    socket: number,
    nftables: number,
    tap: number,
    continueOnError: boolean,
    parts: readonly NativePart[],
  ): Promise<
    [
      socket: number,
      nftables: number,
      tap: number,
      doneTap: number,
      ...outcomes: (Buffer | Error | null | undefined)[],
    ]
  >;

  /** Closes a netfilter socket, and waits for nothing: the kernel may take an RCU grace period for that. */
  closeNftables(fd: number): void;

  isNetns(fd: number): boolean;
  isSameFile(fd: number, other: number): boolean;
  /** Takes the exclusive flock(2) of an open file if nobody else has it. */
  tryLock(fd: number): boolean;
  strerror(errno: number): string;

  /** A unix stream socket at a path that does not exist yet, of mode 0600. */
  listen(path: string): number;
  /** The next caller and its uid (SO_PEERCRED); null where none waits. */
  accept(listener: number): [fd: number, uid: number] | null;
  /** Receives into `buffer` at `offset`: how many bytes, 0 at the end, -1 where none wait; and the descriptors that came along. */
  receive(fd: number, buffer: Buffer, offset: number): [length: number, ...fds: number[]];
  /** Calls back whenever the descriptor can be read (or written), or its other end is gone. */
  watch(fd: number, writable: boolean, callback: () => void): Watch;
  /** Comes before the descriptor is closed. */
  unwatch(watch: Watch): void;
}

/** The addon lies beside this module, and beside the bundle that this module ends up in. */
export const native = createRequire(import.meta.url)('./tapwire.node') as Addon;

/** Whether a request may have been done although it failed: what is lost is the kernel's answer. By its name in rtnetlink.c. */
export const isUnanswered = (error: unknown): boolean =>
  error instanceof Error && error.message === 'receive from netlink';

/** The text of a failure of the addon: `TUNSETIFF: Device or resource busy`. Any other error is a bug and passes through. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error && 'errno' in error && typeof error.errno === 'number')) throw error;
  return `${error.message}: ${native.strerror(error.errno)}`;
}

/** The text of any failure: an error of the addon, which has an errno and no code, in the kernel's words. */
export function reasonOf(error: unknown): string {
  const isNative = error instanceof Error && 'errno' in error && !('code' in error);
  return isNative ? describeFailure(error) : messageOf(error);
}
