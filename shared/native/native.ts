import { createRequire } from 'node:module';
import { messageOf } from '../errors.ts';
import type { NativePart } from './parts.ts';

/** A descriptor that the event loop watches until `unwatch`. */
export type Watch = { readonly watch: unique symbol };

/**
 * The functions that the addon exports. They fail with an Error that has the request as its message
 * and the property `errno`. A function that returns a promise may wait for the kernel, on a thread
 * of Node's pool.
 */
interface Addon {
  /** Creates a netns. It lives as long as the returned descriptor. */
  newNetns(): Promise<number>;
  /**
   * Runs the parts in order in a netns, without returning to JavaScript in between.
   *
   * @param netns descriptor; negative: this process's own netns
   * @param socket rtnetlink socket in the netns; negative: opened first
   * @param nftables netfilter socket in the netns; negative: opened by the first part that needs it
   * @param tap descriptor of a tap that is not persistent yet; negative: none
   * @param continueOnError whether to run the next part after one that failed or that the kernel
   * refused
   * @returns both sockets and the tap after the last part; the descriptor of a tap that has become
   * persistent, which the caller must close; then for each part its failure (Error), the kernel's
   * replies without acknowledgements (Buffer, or null if there are none), or undefined if it was
   * not reached
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

  /**
   * Sends one ICMPv6 echo request to all routers of a link, and waits for their replies. Fails with
   * EACCES if net.ipv4.ping_group_range of the netns includes none of this process's groups.
   *
   * @param netns descriptor; negative: this process's own netns
   * @param source a link-local address of the link, 16 bytes; it must not be tentative
   * @param most number of routers after which not to wait any longer
   * @param milliseconds maximum time to wait
   * @returns the link-local addresses of the routers, 16 bytes each and each once, in the order of
   * their replies
   */
  askRouters(
    netns: number,
    ifindex: number,
    source: Buffer,
    most: number,
    milliseconds: number,
  ): Promise<Buffer>;

  /**
   * Returns what a server on a unix stream socket with an abstract name says, at most 16 KiB. Sends
   * nothing. Any process of the pod may be that server, and can neither block this nor prolong it.
   *
   * @param netns descriptor of the pod's
   * @param name begins with a zero byte, and has at most 108 bytes
   * @param milliseconds maximum time until the server has ended its stream
   * @returns null if there is no server, or if it does not end its stream in time
   */
  readPodSocket(netns: number, name: Buffer, milliseconds: number): Promise<Buffer | null>;

  /** Closes a netfilter socket on another thread, since that may take an RCU grace period. */
  closeNftables(fd: number): void;

  /**
   * Returns how many threads have been in one function that returns a promise for longer than this,
   * in ms. Waiting for a thread does not count.
   */
  countOverdue(milliseconds: number): number;

  /**
   * Writes the buffer from `offset` to a descriptor as far as it takes bytes without blocking, and
   * returns how many. Waits up to `milliseconds` for room, and then returns 0.
   */
  write(fd: number, buffer: Buffer, offset: number, milliseconds: number): number;

  isNetns(fd: number): boolean;
  isSameFile(fd: number, other: number): boolean;
  /**
   * Takes the exclusive flock(2) of an open file. Returns false if another open file has the lock.
   */
  tryLock(fd: number): boolean;
  strerror(errno: number): string;
  /** Makes a character device of mode 0600 at a path that does not exist yet. */
  makeDevice(path: string, major: number, minor: number): void;
  /** Makes a directory the root of this process. Its working directory stays outside. */
  chroot(path: string): void;

  /** Listens on a unix stream socket of mode 0600 at a path that does not exist yet. */
  listen(path: string): number;
  /**
   * Accepts the next client. Returns its socket and uid (SO_PEERCRED), or null if none is waiting.
   */
  accept(listener: number): [fd: number, uid: number] | null;
  /**
   * Receives into `buffer` at `offset`. Returns the number of bytes (0 at the end of the stream, -1
   * if none are waiting) and the descriptors that came with them.
   */
  receive(fd: number, buffer: Buffer, offset: number): [length: number, ...fds: number[]];
  /**
   * Opens an rtnetlink socket in this process's own netns, to which the kernel sends the events of
   * `groups`, a mask of RTMGRP_* (linux/rtnetlink.h). `receive` reads a datagram from it, and fails
   * with ENOBUFS if events were lost.
   */
  openLinkEvents(groups: number): number;
  /**
   * Opens the socket of one of the guest services (enum service of guest-socket.h) on a tap of this
   * process's own netns. It is bound.
   *
   * @param id identifier of the echo requests that the kernel makes advertisements of
   */
  openGuestSocket(service: number, ifname: string, id: number): number;
  /** Calls back whenever the descriptor is readable (or writable), or its other end has closed. */
  watch(fd: number, writable: boolean, callback: () => void): Watch;
  /** Must be called before the descriptor is closed. */
  unwatch(watch: Watch): void;
}

/** The addon is next to this module, and next to each bundle that contains this module. */
export const native = createRequire(import.meta.url)('./tapwire.node') as Addon;

/**
 * Whether a failed request may have taken effect, because only its reply was lost (RECEIVE in
 * rtnetlink.c).
 */
export const isUnanswered = (error: unknown): boolean =>
  error instanceof Error && error.message === 'receive from netlink';

/**
 * Describes a failure of the addon: `TUNSETIFF: Device or resource busy`.
 *
 * @throws {unknown} any other error, because it is a bug
 */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error && 'errno' in error && typeof error.errno === 'number')) throw error;
  return `${error.message}: ${native.strerror(error.errno)}`;
}

/**
 * Returns the reason of any failure. For an error of the addon, which has an errno but no code,
 * uses the kernel's words.
 */
export function reasonOf(error: unknown): string {
  const isNative = error instanceof Error && 'errno' in error && !('code' in error);
  return isNative ? describeFailure(error) : messageOf(error);
}
