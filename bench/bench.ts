import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Agent, Agents } from './agent.ts';
import type { Cgroup } from './cgroups.ts';
import type { Sample } from './cost.ts';
import { RUNNER, SCRATCH, STDERR } from './node.ts';
import type { Peer } from './peers.ts';
import { hasLink, type Pod, pause, podName } from './pods.ts';
import type { Job } from './protocol.ts';
import { type Outcome, type Runner, startRunner } from './runner.ts';

/** The environment that the sections measure in. */
export interface Bench {
  readonly runner: Runner;
  readonly agents: Agents | null;
  /** All peers of the run, Tapwire's first. */
  readonly peers: readonly Peer[];
  readonly rounds: number;
  /** Name of the parent of all cgroups of the run. */
  readonly cgroup: string;
  /** Shows the progress on the terminal. */
  readonly tell: (progress: string) => void;
}

export type Command = 'ADD' | 'DEL' | 'VERSION';

/** The attachment of one pod that one peer makes. */
export interface Attachment {
  readonly peer: Peer;
  readonly pod: Pod;
  readonly containerId: string;
}

export const attach = (peer: Peer, pod: Pod): Attachment => ({
  peer,
  pod,
  containerId: randomBytes(32).toString('hex'),
});

/**
 * Pauses after a call, in which work that was left for later is done: the kernel's after ADD; after
 * DEL also the agent's, which still waits for the kernel.
 */
const QUIET = { ADD: 25, DEL: 60, VERSION: 10 } as const; // ms

/** Starts a further runner in the cgroup. */
export function runnerIn(cgroup: Cgroup): Runner {
  const runner = startRunner(RUNNER, STDERR);
  cgroup.enter(runner.pid);
  return runner;
}

export function toJob(command: Command, { peer, pod, containerId }: Attachment): Job {
  const stdin = `${SCRATCH}/jobs/${peer.confOf === undefined ? peer.name : pod}.json`;
  writeFileSync(stdin, JSON.stringify({ ...peer.conf, ...peer.confOf?.(pod) }));
  return {
    program: peer.program,
    stdin,
    stdout: `${SCRATCH}/jobs/${pod}.out`,
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: `/run/netns/${pod}`,
      CNI_IFNAME: peer.ifname,
      CNI_PATH: dirname(peer.program),
      CNI_ARGS: `IgnoreUnknown=true;K8S_POD_NAMESPACE=vms;K8S_POD_NAME=${podName(pod)};K8S_POD_INFRA_CONTAINER_ID=${containerId};K8S_POD_UID=1`,
      ...peer.env,
    },
  };
}

/** The agent that does the work of a peer's calls, if any. */
export const workerOf = ({ agents }: Bench, { agent }: Peer): Agent | null =>
  agent === null ? null : (agents?.[agent] ?? null);

/**
 * Makes one call, and checks its effect after the measurement.
 *
 * @throws {Error} if the call failed
 */
export async function call(
  bench: Bench,
  command: Command,
  attachment: Attachment,
  runner = bench.runner,
): Promise<Sample> {
  const worker = workerOf(bench, attachment.peer);
  const before = worker?.cpu() ?? 0;
  const { outcomes } = await runner.run([toJob(command, attachment)]);
  await pause(QUIET[command]);
  const agentCpu = (worker?.cpu() ?? 0) - before;
  for (const outcome of outcomes) requireSuccess(command, attachment, outcome);
  await requireEffect(command, attachment);
  const { wall, cpu, memory } = outcomes[0] as Outcome;
  return { wall, cpu, agentCpu, memory };
}

export function requireSuccess(command: Command, { peer }: Attachment, { status, stdout }: Outcome): void {
  const isAnswer = command === 'DEL' ? stdout === '' : hasVersion(stdout);
  if (status === 0 && isAnswer) return;
  const stderr = readFileSync(STDERR, 'utf8').split('\n').slice(-20).join('\n');
  throw new Error(`${command} of ${peer.name} failed: exit status ${status}\n${stdout}\n${stderr}`);
}

function hasVersion(stdout: string): boolean {
  try {
    return typeof JSON.parse(stdout).cniVersion === 'string';
  } catch {
    return false;
  }
}

/** @throws {Error} if the link is missing or down after ADD, or still exists after DEL */
export async function requireEffect(command: Command, { peer, pod }: Attachment): Promise<void> {
  if (command === 'VERSION') return;
  const isThere = await hasLink(pod, peer.makes);
  if (isThere === (command === 'ADD')) return;
  throw new Error(
    `${command} of ${peer.name} reported success, but "${peer.makes}" ${isThere ? 'still exists' : 'is missing or down'}`,
  );
}
