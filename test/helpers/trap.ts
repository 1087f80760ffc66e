/** Something that happens to an agent in the middle of its work, at a kernel request that the test names. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import type { Agent } from './agent.ts';
import { type AgentNode, nodeIn, until } from './agent-node.ts';
import { withFolder } from './shim.ts';

const SOURCE = resolve(import.meta.dirname, '../agent/trap.c');

/**
 * Before the agent creates or persists a tap, changes something by rtnetlink or asks for a dump; or when the kernel has done so, or deleted
 * a link. Before it opens a netfilter socket, or sends a batch to nftables; or when the kernel has carried it out.
 */
export type Point =
  | 'create'
  | 'persist'
  | 'change'
  | 'changed'
  | 'dump'
  | 'dumped'
  | 'deleted'
  | 'netfilter'
  | 'batch'
  | 'batched';
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

export const withTrap = <T>(act: (trap: Trap) => Promise<T>): Promise<T> =>
  withFolder(async (folder) => act(await setTrapIn(folder)));

/** In a folder that somebody else takes away. */
export async function setTrapIn(folder: string): Promise<Trap> {
  const [library, at, reached, release] = ['trap.so', 'at', 'reached', 'release'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
  await execa('gcc', [...flags, '-o', library, SOURCE]);
  const isReached = () => existsSync(reached);
  return {
    env: { LD_PRELOAD: library, TAPWIRE_TRAP: folder },
    set(point, action, nth = 1) {
      for (const file of [reached, release]) rmSync(file, { force: true });
      writeFileSync(at, `${nth} ${point} ${action}\n`);
    },
    isReached,
    reached: () => until('the trap is reached', isReached),
    release: () => writeFileSync(release, ''),
  };
}

/**
 * One node for all tests of a file, with an agent that can be trapped: to start one takes longer than most tests. It ends when they are
 * done, and then fails the file where it does not end well or has kept something.
 */
export function sharedNode(): () => Promise<AgentNode & { readonly agent: Agent; readonly trap: Trap }> {
  const start = async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tapwire-node-'));
    process.on('exit', () => rmSync(folder, { recursive: true }));
    const trap = await setTrapIn(folder);
    const node = nodeIn(folder);
    const agent = await node.start({ env: trap.env });
    process.once('beforeExit', () => {
      agent.stop().catch((error) => {
        console.error(error);
        process.exitCode = 1;
      });
    });
    return { ...node, agent, trap };
  };
  let shared: ReturnType<typeof start> | undefined;
  return () => {
    shared ??= start();
    return shared;
  };
}
