/**
 * A trap for the process that does the work: reports each of its requests to the kernel, and kills
 * the process before one of them or lets one of them fail.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { HANG } from '../hang.ts';

const SOURCE = resolve(import.meta.dirname, '../../cni/kill.c');

type Env = Readonly<Record<string, string>>;

/** A moment: the working process makes the request `what`, as kill.c names it, the `nth` time. */
export interface Point {
  readonly what: string;
  readonly nth: number;
}

/** Reports the requests of a process and kills it before one of them, or lets one fail. */
export interface Trap {
  readonly env: Env;
  /**
   * From now on, reports each request, and kills the process at this point.
   *
   * @param errno lets the request fail instead, with this error number
   */
  set(point: Point | null, errno?: number): void;
  /** The requests reported since the last set(). */
  reached(): readonly Point[];
}

/** Gives `act` a function that makes a trap for one process. */
export async function withTraps(act: (newTrap: () => Trap) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'tapwire-kill-'));
  const library = join(root, 'kill.so');
  try {
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
    await execa('gcc', [...flags, '-o', library, SOURCE]);
    await act(() => trapIn(mkdtempSync(join(root, 'trap-')), library));
  } finally {
    rmSync(root, { recursive: true });
  }
}

function trapIn(directory: string, library: string): Trap {
  const [at, fail, log] = ['at', 'fail', 'log'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  let rounds = 0;
  return {
    env: { LD_PRELOAD: library, TAPWIRE_KILL: directory },
    set(point, errno) {
      rmSync(log, { force: true });
      rmSync(fail, { force: true });
      if (errno !== undefined) writeFileSync(fail, `${errno} ${rounds++}`);
      writeFileSync(at, point === null ? '0 nothing' : `${point.nth} ${point.what}`);
    },
    reached() {
      rmSync(at);
      return existsSync(log) ? numbered(readFileSync(log, 'utf8').trim().split('\n')) : [];
    },
  };
}

/** Numbers each line among those equal to it, starting at 1. */
export function numbered(lines: readonly string[]): readonly Point[] {
  const counts = new Map<string, number>();
  return lines.map((what) => {
    const nth = (counts.get(what) ?? 0) + 1;
    counts.set(what, nth);
    return { what, nth };
  });
}

export const isRequest = ({ what }: Point): boolean => /^(send|ioctl) /.test(what);
/**
 * Whether the request at a point changes something: kill.c gives those that only read a question
 * mark. Closing a tap that is not persistent deletes the tap.
 */
export const changes = (point: Point): boolean =>
  (isRequest(point) && !point.what.includes('?')) ||
  point.what === 'close tun' ||
  point.what.startsWith('file ');
export const shown = ({ what, nth }: Point): string => `"${what}" (${nth})`;

/**
 * Finds the points that every call reaches: repeats the call until two in a row reach the same
 * points. A call may reach more: if the kernel takes a second to delete a link, the addon queries
 * the link (link-deletion.c), and threads of an agent's warm-up may end during the call.
 */
export async function pointsOf(observe: () => Promise<readonly Point[]>): Promise<readonly Point[]> {
  const deadline = performance.now() + HANG;
  let before = await observe();
  for (;;) {
    const points = await observe();
    if (isSame(points, before)) return points;
    assert.ok(performance.now() < deadline, 'two calls in a row reach the same points');
    before = points;
  }
}

/** Compares points in any order, because threads close their descriptors at any time. */
const isSame = (one: readonly Point[], other: readonly Point[]): boolean =>
  one.map(shown).sort().join() === other.map(shown).sort().join();

/**
 * Calls `visit` for each point to test the next DEL. If the request before the point changed
 * something, calls it once more to test the next ADD.
 */
export async function visitAll(
  points: readonly Point[],
  visit: (point: Point, then: 'restored' | 'completed') => Promise<void>,
): Promise<void> {
  for (const [index, point] of points.entries()) {
    await visit(point, 'restored');
    const previous = points[index - 1];
    if (previous === undefined || changes(previous)) await visit(point, 'completed');
  }
}
