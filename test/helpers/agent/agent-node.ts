/**
 * A node with an agent of its own: clients that reach it through the shim, its HTTP endpoints, and
 * pods that show what it keeps alive.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { HANG } from '../hang.ts';
import { environmentOf, netconf } from '../plugin/cni.ts';
import { type ShimAnswer, shim, UNHURRIED, withDirectory } from '../plugin/shim.ts';
import { recordNetns } from '../pod/ledger.ts';
import { dumpNetns, sameNetns, type TestNetns, testNetns, withNetns, withPod } from '../pod/netns.ts';
import { type Agent, type AgentOptions, startAgent } from './agent.ts';
import { type Metrics, parseMetrics } from './metrics.ts';

const RUNTIME = resolve(import.meta.dirname, '../../../dist/cni/.tapwire');

export interface CallOptions {
  /** As in ShimCall. */
  readonly timeScale?: number;
  readonly helloSecond?: number;
  /** Whether the shim finds a fallback. */
  readonly fallback?: boolean;
  readonly containerId?: string;
  readonly conf?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

type StartOptions = Pick<AgentOptions, 'under' | 'env' | 'netnsDir' | 'health'>;

export interface AgentNode {
  readonly directory: string;
  readonly socket: string;
  /** Starts an agent, which takes over from one that may be running. It is killed with the node. */
  start(options?: StartOptions): Promise<Agent>;
  /** Calls the plugin for a pod's primary network. */
  call(command: string, pod: Pick<TestNetns, 'path'>, options?: CallOptions): Promise<ShimAnswer>;
}

/** A node without an agent. */
export function nodeIn(directory: string, started: Agent[] = []): AgentNode {
  const socket = join(directory, 'agent.sock');
  const fallbackDir = linkFallback(join(directory, 'runtime'));
  return {
    directory,
    socket,
    async start(options = {}) {
      const agent = await startAgent({ socket, nodeFile: join(directory, 'node.json'), ...options });
      started.push(agent);
      return agent;
    },
    call: (command, { path }, options = {}) => {
      const { timeScale = 1, helloSecond = UNHURRIED, containerId = 'pod1', conf = {}, env = {} } = options;
      const call = { netns: path, containerId, conf, network: 'default', env };
      const input = JSON.stringify(netconf(call));
      const where = options.fallback === false ? { socket } : { socket, fallbackDir };
      return shim(command, { ...where, timeScale, helloSecond, input, env: environmentOf(command, call) });
    },
  };
}

/** A node without an agent. An agent that was started there and still runs is killed. */
export function withEmptyNode<T>(act: (node: AgentNode) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const started: Agent[] = [];
    try {
      return await act(nodeIn(directory, started));
    } finally {
      for (const agent of started) agent.kill('SIGKILL');
    }
  });
}

/** A node with an agent. At the end, the agent must exit with 0 and without descriptors left. */
export const withAgentNode = <T>(
  act: (node: AgentNode & { readonly agent: Agent }) => Promise<T>,
  options: StartOptions = {},
): Promise<T> =>
  withEmptyNode(async (node) => {
    const agent = await node.start(options);
    const result = await act({ ...node, agent });
    await agent.stop();
    return result;
  });

/**
 * The real fallback, in a directory of its own, because fallback calls in one directory wait for
 * each other.
 *
 * @param runtime directory of the fallback of any build
 */
export function linkFallback(directory: string, runtime = RUNTIME): string {
  mkdirSync(directory, { mode: 0o755 });
  for (const name of readdirSync(runtime)) symlinkSync(join(runtime, name), join(directory, name));
  return directory;
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** This many pods with a pod link, created at once. */
export async function withPods<T>(
  count: number,
  act: (pods: readonly TestNetns[]) => Promise<T>,
): Promise<T> {
  const more = (pods: readonly TestNetns[]): Promise<T> =>
    pods.length === count ? act(pods) : withPod('eth0', (pod) => more([...pods, pod]));
  return more([]);
}

export function succeeded({ exitCode, stdout, stderr }: ShimAnswer, why = 'the call'): void {
  assert.is(exitCode, 0, `${why} succeeds, but: ${stdout} ${stderr}`);
}

/** Accepts success, or "try again" with the reason. */
export function isCorrect({ exitCode, stdout }: ShimAnswer, why: string): void {
  if (exitCode === 0) return;
  const { code, msg } = JSON.parse(stdout);
  assert.equal([exitCode, code], [1, 11], `${why}: ${stdout}`);
  assert.match(msg, /^Cannot /, why);
}

/**
 * Asserts twice that ADD completes from any state, that CHECK succeeds, and that DEL leaves the pod
 * as before.
 */
export async function assertWhole(
  { call }: AgentNode,
  pod: TestNetns,
  before: Readonly<Record<string, unknown>>,
  why: string,
): Promise<void> {
  succeeded(await call('DEL', pod), `${why}: DEL`);
  sameNetns(await dumpNetns(pod), before, `${why}: DEL leaves the pod as it was`);
  succeeded(await call('ADD', pod), `${why}: ADD`);
  const conf = { prevResult: { cniVersion: '1.0.0' } };
  succeeded(await call('CHECK', pod, { conf }), `${why}: CHECK`);
  succeeded(await call('DEL', pod), `${why}: DEL`);
  sameNetns(await dumpNetns(pod), before, `${why}: ADD and DEL leave the pod as it was`);
}

/** Fails if `task` hangs. */
export function within<T>(what: string, task: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} takes more than ${HANG} ms`)), HANG);
    task.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * Waits until the condition holds.
 *
 * @param show the state, for the failure
 */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  show: () => string = () => 'it is not so',
): Promise<void> {
  const deadline = performance.now() + HANG;
  while (!(await isSo())) {
    if (performance.now() >= deadline) throw new Error(`Waited ${HANG} ms until ${what}: ${show()}`);
    await sleep(5);
  }
}

/** Waits until `read` returns the wanted value. The failure shows the last value. */
export async function untilIs<T>(what: string, read: () => T | Promise<T>, want: T): Promise<void> {
  let last: T | undefined;
  const isSo = async (): Promise<boolean> => {
    last = await read();
    return isDeepStrictEqual(last, want);
  };
  await until(what, isSo, () => `want ${JSON.stringify(want)}, got ${JSON.stringify(last)}`);
}

// ---- the agent's reports

export const urlOf = (agent: Agent, page: string): string => {
  const address = /"health":"([^"]+)"/.exec(agent.log())?.[1];
  return `http://${address}${page}`;
};

export async function page(agent: Agent, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(urlOf(agent, path), {
    signal: AbortSignal.timeout(HANG),
    headers: { connection: 'close' },
  });
  return { status: response.status, text: await response.text() };
}

/** For longer than this, in ms, no result of /readyz or /metrics is served. */
const SHARED_FOR = 1_010;

/** Like `page`, but waits until no earlier result is served. */
export async function freshPage(agent: Agent, path: string): ReturnType<typeof page> {
  await sleep(SHARED_FOR);
  return page(agent, path);
}

export const metricsOf = async (agent: Agent): Promise<Metrics> =>
  parseMetrics((await freshPage(agent, '/metrics')).text);

/** The connection that the page is read from. */
const PAGE_CONNECTIONS = 1;

export const descriptorCount = ({ pid }: Agent): number => readdirSync(`/proc/${pid}/fd`).length;

/** Waits until the agent keeps nothing of any call. */
export async function settled(agent: Agent, descriptors: number): Promise<void> {
  let seen = '';
  await until(
    `the agent has ${descriptors} descriptors, holds none of a netns, and has nothing in flight`,
    async () => {
      const metrics = await metricsOf(agent);
      const left = ['tapwire_cni_held_descriptors', 'tapwire_cni_requests_in_flight'].map((name) =>
        metrics.value(name),
      );
      const count = descriptorCount(agent) - PAGE_CONNECTIONS;
      seen = `got ${[count, ...left].join(', ')}`;
      return count <= descriptors && left.every((value) => value === 0);
    },
    () => seen,
  );
}

/** Whether all threads of a process are stopped. */
export function isStopped({ pid }: Agent): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    /^State:\s+T/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')),
  );
}

// ---- pods whose end can be observed

export interface MortalPod extends TestNetns {
  /** Deletes the netns as a container runtime does. */
  die(): Promise<void>;
  /**
   * Whether the kernel has really deleted the netns: then the other end of its veth is gone as
   * well.
   */
  isGone(): Promise<boolean>;
}

/** A pod with a second veth, whose other end is in a netns that stays. */
export function withMortalPod<T>(act: (pod: MortalPod) => Promise<T>): Promise<T> {
  return withNetns(async (host) => {
    const name = `tapwire-${randomBytes(4).toString('hex')}`;
    recordNetns(name);
    await execa('ip', ['netns', 'add', name]);
    try {
      const pod = testNetns(name);
      await pod.ip('link add eth0 type veth peer name host0');
      await pod.ip('link set eth0 up');
      await pod.ip(`link add pin0 type veth peer name pin1 netns ${host.name}`);
      return await act({
        ...pod,
        die: async () => {
          await execa('ip', ['netns', 'del', name]);
        },
        isGone: async () => !(await host.ip('-j link show')).includes('"pin1"'),
      });
    } finally {
      if (existsSync(`/run/netns/${name}`)) await execa('ip', ['netns', 'del', name]);
    }
  });
}
