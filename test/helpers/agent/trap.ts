/**
 * Stops, delays or kills an agent in the middle of its work, at a kernel request that the test
 * names.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { withDirectory } from '../plugin/shim.ts';
import type { Agent } from './agent.ts';
import { type AgentNode, nodeIn, until } from './agent-node.ts';

const SOURCE = resolve(import.meta.dirname, '../../agent/trap.c');

/**
 * Before the agent creates or persists a tap, changes something by rtnetlink or requests a dump;
 * after the kernel has done so, or has deleted a link; before the agent opens a netfilter socket or
 * sends a batch to nftables; or after the kernel has carried it out.
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
/** A number is the errno with which the request fails. */
export type Action = 'kill' | 'stop' | 'hold' | number;

export interface Trap {
  /** Environment of an agent that can be trapped. */
  readonly env: Readonly<Record<string, string>>;
  /** Traps the next request of this kind from any call. All others pass. */
  set(point: Point, action: Action, nth?: number): void;
  reached(): Promise<void>;
  isReached(): boolean;
  /** Releases the held request. */
  release(): void;
}

export const withTrap = <T>(act: (trap: Trap) => Promise<T>): Promise<T> =>
  withDirectory(async (directory) => act(await setTrapIn(directory)));

/** In a directory that the caller deletes. */
export async function setTrapIn(directory: string): Promise<Trap> {
  const [library, at, reached, release] = ['trap.so', 'at', 'reached', 'release'].map((name) =>
    join(directory, name),
  ) as [string, string, string, string];
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
  await execa('gcc', [...flags, '-o', library, SOURCE]);
  const isReached = () => existsSync(reached);
  return {
    env: { LD_PRELOAD: library, TAPWIRE_TRAP: directory },
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
 * One node for all tests of a file, with an agent that can be trapped, because starting one takes
 * longer than most tests. The agent ends after the tests; the file fails if it does not exit with 0
 * or has kept a descriptor.
 */
export function sharedNode(): () => Promise<AgentNode & { readonly agent: Agent; readonly trap: Trap }> {
  const start = async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tapwire-node-'));
    process.on('exit', () => rmSync(directory, { recursive: true }));
    const trap = await setTrapIn(directory);
    const node = nodeIn(directory);
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
