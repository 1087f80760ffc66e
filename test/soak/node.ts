/** A node in a netns of its own, whose agent and fallback are those of any build. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { AGENT, type Agent, startAgent } from '../helpers/agent/agent.ts';
import { linkFallback } from '../helpers/agent/agent-node.ts';
import { type Call, environmentOf, netconf } from '../helpers/plugin/cni.ts';
import { LOWER, makeLower } from '../helpers/plugin/macvtap-node.ts';
import { withDirectory } from '../helpers/plugin/shim.ts';
import { withNetns } from '../helpers/pod/netns.ts';
import type { Outcome, Sample, Way } from './verdict.ts';

/** Time in ms after which a call has hung: longer than all timeouts of the shim together. */
const CALL_TIMEOUT = 120_000;
/** Pause in ms until the next agent starts. */
const RESTART_PAUSE = 100;

/** The programs of one checkout. */
export interface Build {
  readonly shim: string;
  readonly agent: string;
  /** Directory of the fallback. */
  readonly runtime: string;
  /** Whether it has the binding macvtap, and the liveness probe. */
  readonly isNew: boolean;
}

/** @throws {Error} if the tree has no build */
export function buildOf(tree: string): Build {
  const build = {
    shim: join(tree, 'dist/test/tapwire'),
    agent: join(tree, 'dist/agent/index.js'),
    runtime: join(tree, 'dist/cni/.tapwire'),
    isNew: existsSync(join(tree, 'cni/shim/alive.c')),
  };
  for (const path of [build.shim, build.agent, build.runtime]) {
    if (existsSync(path)) continue;
    throw new Error(`Cannot test "${tree}": there is no "${path}"; run "npm run build" there`);
  }
  return build;
}

export interface Node {
  /** Port of health and metrics on 127.0.0.1. */
  readonly port: number;
  /** Command line that runs a program on the node. */
  readonly under: readonly string[];
  /** Calls the plugin; kills the caller after `killAfter` ms, if that is given. */
  call(command: string, call: Call, way: Way, killAfter?: number): Promise<Outcome>;
  /** Kills the agent, and starts the next one. Rejects if the agent had ended by itself. */
  restart(): Promise<void>;
  /** Ends the agent. Rejects if it fails, or has kept a descriptor. */
  stop(): Promise<void>;
  /** Reads the descriptors, threads and memory of the agent. */
  sample(): Sample;
  /** Why the liveness probe fails; null if it succeeds, or the build has none. */
  livenessFailure(): Promise<string | null>;
}

const PORT = 9437;

/** A node with an agent, which is killed at the end if it still runs. */
export const withNode = (build: Build, act: (node: Node) => Promise<void>): Promise<void> =>
  withNetns((outside) =>
    withNetns(async (netns) => {
      await makeLower(netns, outside, 1500);
      await withDirectory(async (directory) => {
        const nodeFile = join(directory, 'node.json');
        const socket = join(directory, 'agent.sock');
        const fallback = linkFallback(join(directory, 'runtime'), build.runtime);
        const under = ['/usr/bin/nsenter', `--net=${netns.path}`, '--'];
        if (build.isNew) {
          writeFileSync(nodeFile, JSON.stringify({ macvtap: { masters: [{ lowerDevice: LOWER }] } }));
        }
        const program = resolve(build.agent) === AGENT ? {} : { program: build.agent };
        const start = () => startAgent({ socket, nodeFile, under, health: `127.0.0.1:${PORT}`, ...program });
        let agent = await start();
        let number = 1;
        const run = async (words: readonly string[], env: Record<string, string>, how: object = {}) => {
          const [file = '', ...rest] = [...under, build.shim, ...words];
          return execa(file, rest, {
            env: { TAPWIRE_AGENT_SOCKET: socket, TAPWIRE_RUNTIME_DIR: fallback, ...env },
            extendEnv: false,
            reject: false,
            detached: true,
            cwd: '/',
            ...how,
          });
        };
        try {
          await act({
            port: PORT,
            under,
            call: async (command, call, way, killAfter) => {
              const none = way === 'one-shot' ? { TAPWIRE_AGENT_SOCKET: '/nonexistent' } : {};
              const env = { ...environmentOf(command, call), ...none, TAPWIRE_NODE_FILE: nodeFile };
              const started = performance.now();
              const input = JSON.stringify(netconf(call));
              const how = { input, timeout: killAfter ?? CALL_TIMEOUT, killSignal: 'SIGKILL' };
              const { exitCode, stdout, stderr, timedOut } = await run([], env, how);
              const ms = performance.now() - started;
              const isKilled = timedOut && killAfter !== undefined;
              return {
                command,
                way,
                ms,
                isKilled,
                exitCode: exitCode ?? -1,
                stdout: String(stdout),
                stderr: String(stderr),
              };
            },
            async restart() {
              agent.kill('SIGKILL');
              await agent.killed();
              await sleep(RESTART_PAUSE);
              agent = await start();
              number += 1;
            },
            stop: () => agent.stop(),
            sample: () => ({ agent: number, ...stateOf(agent) }),
            async livenessFailure() {
              if (!build.isNew) return null;
              const { exitCode, stderr } = await run(['alive'], {});
              return exitCode === 0 ? null : String(stderr);
            },
          });
        } finally {
          if (agent.isRunning()) agent.kill('SIGKILL');
        }
      });
    }),
  );

/** Zeros if the agent has ended. */
function stateOf({ pid }: Agent): Pick<Sample, 'descriptors' | 'threads' | 'mib'> {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return {
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: field('Threads'),
      mib: field('RssAnon') / 1024,
    };
  } catch {
    return { descriptors: 0, threads: 0, mib: 0 };
  }
}
