/** Something that happens to an agent in the middle of its work, at a kernel request that the test names. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { until } from './agent-node.ts';
import { withFolder } from './shim.ts';

const SOURCE = resolve(import.meta.dirname, '../agent/trap.c');

/** Before it creates or persists a tap, changes something by netlink or asks for a dump; or when the kernel has done so, or deleted a link. */
export type Point = 'create' | 'persist' | 'change' | 'changed' | 'dump' | 'dumped' | 'deleted';
/** A number is an errno: the request fails with it. */
export type Action = 'kill' | 'stop' | 'hold' | number;

export interface Trap {
  /** For an agent that can be trapped. */
  readonly env: Readonly<Record<string, string>>;
  /** For the next request of that kind, whoever makes it; all others pass. */
  set(point: Point, action: Action, nth?: number): void;
  reached(): Promise<void>;
  isReached(): boolean;
  /** Lets go of who is held. */
  release(): void;
}

export function withTrap<T>(act: (trap: Trap) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const [library, at, reached, release] = ['trap.so', 'at', 'reached', 'release'].map((name) =>
      join(folder, name),
    ) as [string, string, string, string];
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
    await execa('gcc', [...flags, '-o', library, SOURCE]);
    const isReached = () => existsSync(reached);
    return act({
      env: { LD_PRELOAD: library, TAPWIRE_TRAP: folder },
      set(point, action, nth = 1) {
        for (const file of [reached, release]) rmSync(file, { force: true });
        writeFileSync(at, `${nth} ${point} ${action}\n`);
      },
      isReached,
      reached: () => until('the trap is reached', isReached),
      release: () => writeFileSync(release, ''),
    });
  });
}
