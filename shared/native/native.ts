import { createRequire } from 'node:module';

/** Waits for a descriptor in the event loop, until `unwatch`. */
export type Watch = { readonly watch: unique symbol };

/**
 * What the addon exports. A failure is an Error whose message is the request and which has `errno`. What returns a promise may
 * wait for the kernel, on a thread of Node's pool.
 */
interface Addon {
  /** A socket in the netns behind that descriptor; in our own for a negative one. */
  openRtnetlink(netns: number): Promise<number>;
  /** A descriptor of a netns that nothing else holds. */
  newNetns(): Promise<number>;
  /**
   * A descriptor of a tap that lives as long as that does, and its ifindex. A negative owner or group is none.
   *
   * @param socket any socket of the netns
   * @param label SELinux label under which `helper`, the shim, makes the tap; empty: we do it ourselves
   */
  createTap(
    netns: number,
    socket: number,
    ifname: string,
    multiQueue: boolean,
    owner: number,
    group: number,
    label: string,
    helper: string,
  ): Promise<[fd: number, ifindex: number]>;
  /** The tap outlives its descriptor, which is closed. */
  persistTap(tap: number): Promise<void>;
  /** Sends netlink requests and receives until all are answered, also those that fail. One caller at a time for a socket. */
  exchange(socket: number, requests: Buffer): Promise<Buffer>;
  /** Sends one RTM_DELLINK and waits until the link is out of the netns: then nothing, else the refusal. */
  deleteLink(socket: number, request: Buffer): Promise<Buffer>;

  isNetns(fd: number): boolean;
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

/** The text of a failure of the addon: `TUNSETIFF: Device or resource busy`. Any other error is a bug and passes through. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error && 'errno' in error && typeof error.errno === 'number')) throw error;
  return `${error.message}: ${native.strerror(error.errno)}`;
}
