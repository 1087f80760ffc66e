/** A node with an agent of its own: callers that reach it by the shim, its pages, and pods that show what it has kept. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { type Agent, type AgentOptions, startAgent } from './agent.ts';
import { environmentOf, netconf } from './cni.ts';
import { HANG } from './hang.ts';
import { recordNetns } from './ledger.ts';
import { type Metrics, parseMetrics } from './metrics.ts';
import { dumpNetns, sameNetns, type TestNetns, testNetns, withNetns, withPod } from './netns.ts';
import { type ShimAnswer, shim, UNHURRIED, withFolder } from './shim.ts';

const RUNTIME = resolve(import.meta.dirname, '../../dist/cni/.tapwire');

export interface CallOptions {
  /** As in ShimCall. */
  readonly haste?: number;
  readonly helloSecond?: number;
  /** Whether the shim finds what it falls back to. */
  readonly runtime?: boolean;
  readonly containerId?: string;
  readonly conf?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

type StartOptions = Pick<AgentOptions, 'under' | 'env' | 'netnsDir'>;

export interface AgentNode {
  readonly folder: string;
  readonly socket: string;
  /** Starts an agent, in place of one that may be there; it is killed with the node. */
  start(options?: StartOptions): Promise<Agent>;
  /** Calls the plugin for a pod's primary network. */
  call(command: string, pod: Pick<TestNetns, 'path'>, options?: CallOptions): Promise<ShimAnswer>;
}

/** A node without an agent. */
export function nodeIn(folder: string, started: Agent[] = []): AgentNode {
  const socket = join(folder, 'agent.sock');
  const runtime = linkRuntime(join(folder, 'runtime'));
  return {
    folder,
    socket,
    async start(options = {}) {
      const agent = await startAgent({ socket, nodeFile: join(folder, 'node.json'), ...options });
      started.push(agent);
      return agent;
    },
    call: (command, { path }, options = {}) => {
      const { haste = 1, helloSecond = UNHURRIED, containerId = 'pod1', conf = {}, env = {} } = options;
      const call = { netns: path, containerId, conf, network: 'default', env };
      const input = JSON.stringify(netconf(call));
      const where = options.runtime === false ? { socket } : { socket, runtime };
      return shim(command, { ...where, haste, helloSecond, input, env: environmentOf(command, call) });
    },
  };
}

/** A node without an agent; one that was started there and is still running is killed. */
export function withEmptyNode<T>(act: (node: AgentNode) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const started: Agent[] = [];
    try {
      return await act(nodeIn(folder, started));
    } finally {
      for (const { pid } of started) if (isRunning(pid)) process.kill(pid, 'SIGKILL');
    }
  });
}

/** A node with an agent, which ends well and has kept no descriptor. */
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

/** The real runtime; in a folder of its own, since calls that fall back wait for each other there. */
function linkRuntime(folder: string): string {
  mkdirSync(folder, { mode: 0o755 });
  for (const name of readdirSync(RUNTIME)) symlinkSync(join(RUNTIME, name), join(folder, name));
  return folder;
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Pods with a pod link, at once. */
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

/** Success, or "try again" with the reason. */
export function isCorrect({ exitCode, stdout }: ShimAnswer, why: string): void {
  if (exitCode === 0) return;
  const { code, msg } = JSON.parse(stdout);
  assert.equal([exitCode, code], [1, 11], `${why}: ${stdout}`);
  assert.match(msg, /^Cannot /, why);
}

/** ADD completes, CHECK agrees, DEL leaves the pod as it was: twice, from whatever is there. */
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

/** Waits until it is so. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + HANG;
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, `${what} within ${HANG} ms`);
    await sleep(5);
  }
}

// ---- what the agent says of itself

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

export const metricsOf = async (agent: Agent): Promise<Metrics> =>
  parseMetrics((await page(agent, '/metrics')).text);

/** What asking for a page takes, and a moment after. */
const PAGE_CONNECTIONS = 1;

export const descriptorCount = ({ pid }: Agent): number => readdirSync(`/proc/${pid}/fd`).length;

/** Nothing of any call is left in the agent. */
export async function settled(agent: Agent, descriptors: number): Promise<void> {
  await until(
    `the agent has ${descriptors} descriptors, holds none of a netns, and has nothing in flight`,
    async () => {
      const metrics = await metricsOf(agent);
      const left = ['tapwire_cni_held_descriptors', 'tapwire_cni_requests_in_flight'].map((name) =>
        metrics.value(name),
      );
      return descriptorCount(agent) <= descriptors + PAGE_CONNECTIONS && left.every((value) => value === 0);
    },
  );
}

/** Whether all threads of a process are stopped. */
export function isStopped({ pid }: Agent): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    /^State:\s+T/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')),
  );
}

// ---- pods whose end can be seen

export interface MortalPod extends TestNetns {
  /** Deletes the netns as a runtime does. */
  die(): Promise<void>;
  /** Whether the kernel has really taken it away: then the other end of its veth is gone as well. */
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
