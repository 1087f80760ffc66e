import { createRequire } from 'node:module';

/** What the addon (`tapwire.c`) exports. A failure throws an Error whose message is the request and which has `errno`. */
interface Addon {
  openRtnetlink(netns: number): number;
  createTap(netns: number, ifname: string, multiQueue: boolean, owner: number, group: number): number;
  persistTap(tap: number): void;
  isNetns(fd: number): boolean;
  /** A descriptor of a netns that nothing else holds. */
  newNetns(): number;
  /** Takes the exclusive flock(2) of an open file if nobody else has it. */
  tryLock(fd: number): boolean;
  strerror(errno: number): string;
}

/** The addon lies beside this module, and beside the bundle that this module ends up in. */
export const native = createRequire(import.meta.url)('./tapwire.node') as Addon;

/** The text of a failure of the addon: `TUNSETIFF: Device or resource busy`. Any other error is a bug and passes through. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error && 'errno' in error && typeof error.errno === 'number')) throw error;
  return `${error.message}: ${native.strerror(error.errno)}`;
}
