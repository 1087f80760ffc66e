import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { deletedJobPath, JOBS, logPath, runPodsPath } from './api.ts';
import { type AgentTemplate, JOB_LABEL, lifetimeOf, NAMESPACE, type Task, toJob } from './job.ts';
import { create, get, type KubectlReply, remove, requireReply } from './kubectl.ts';
import { type ClusterPod, itemsOf, parseReply, toPod } from './objects.ts';

/** Nodes that are asked at once. */
const LANES = 16;
/** Shortest time between two lists of the pods, in ms. */
const POLL = 1000;
/** Attempts to delete a Job. */
const ATTEMPTS = 3;
/** Most bytes of a pod's output. */
const MAX_OUTPUT = 1024 * 1024;
/** Most bytes of a list of the pods of LANES Jobs. */
const MAX_PODS = 4 * 1024 * 1024;

/** What a pod printed, or why there is no output. */
export type Reply =
  | { readonly exitCode: number; readonly output: string }
  | { readonly exitCode: null; readonly failure: string };

export interface Replies {
  /** In the order of the tasks. */
  readonly replies: readonly Reply[];
  /** Sentences on Jobs that could not be deleted. */
  readonly leftovers: readonly string[];
}

/**
 * Runs each task in a Job on its node, and deletes the Jobs. Rejects once all of them are deleted.
 *
 * @param timeout time in s for each task
 * @throws {BindingError} NOT_ALLOWED if a right is missing
 */
export async function runJobs(
  tasks: readonly Task[],
  template: AgentTemplate,
  timeout: number,
  signal: AbortSignal,
): Promise<Replies> {
  const run = randomBytes(4).toString('hex');
  const broken = new AbortController();
  const stop = AbortSignal.any([signal, broken.signal]);
  const leftovers: string[] = [];
  const nextPods = shared(() => get(runPodsPath(run), MAX_PODS), stop);

  const ask = async (task: Task, index: number): Promise<Reply> => {
    const name = `tapwire-${task.command}-${run}-${index}`;
    try {
      const created = await create(JOBS, toJob(name, run, task, template, timeout));
      if (!created.isOk && created.kind !== 'forbidden') return { exitCode: null, failure: created.reason };
      requireReply(`create a Job in namespace "${NAMESPACE}"`, created);
      return await replyOf(name, task.node, nextPods, timeout * 1000);
    } finally {
      const deleted = await removeJob(name);
      if (!deleted.isOk && deleted.kind !== 'missing') {
        const later = `the cluster deletes it within ${lifetimeOf(timeout)} s`;
        leftovers.push(`Cannot delete Job "${NAMESPACE}/${name}": ${deleted.reason}; ${later}`);
      }
    }
  };
  const replies: Reply[] = [];
  const queue = [...tasks.entries()];
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined && !stop.aborted; next = queue.shift()) {
      const [index, task] = next;
      try {
        replies[index] = await ask(task, index);
      } catch (error) {
        broken.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, tasks.length) }, lane));
  stop.throwIfAborted();
  return { replies, leftovers };
}

/**
 * Deletes a Job. Tries again if kubectl fails: a signal to the process group can end a kubectl that
 * has not yet left the group.
 */
async function removeJob(name: string): Promise<KubectlReply> {
  let deleted = await remove(deletedJobPath(name));
  for (let again = 1; again < ATTEMPTS && !deleted.isOk && deleted.kind === 'other'; again += 1) {
    deleted = await remove(deletedJobPath(name));
  }
  return deleted;
}

/** Waits until the Job's pod has ended, and reads its output. */
async function replyOf(
  job: string,
  node: string,
  nextPods: () => Promise<KubectlReply>,
  timeout: number,
): Promise<Reply> {
  const advice = `see "kubectl describe node ${node}"`;
  let state = '';
  for (const deadline = performance.now() + timeout; performance.now() < deadline; ) {
    const listed = await nextPods();
    state = listed.isOk ? '' : listed.reason;
    if (!listed.isOk && listed.kind !== 'forbidden') continue;
    const pods = itemsOf(parseReply('list pods', requireReply(`list pods in "${NAMESPACE}"`, listed)));
    const pod = pods.map(toPod).find(({ labels }) => labels[JOB_LABEL] === job);
    if (pod?.exitCode != null) return readOutput(pod.name, pod.exitCode);
    if (pod?.phase === 'Failed') {
      return { exitCode: null, failure: `its pod has failed: ${pod.reason}; ${advice}` };
    }
    state = stateOf(pod);
  }
  return { exitCode: null, failure: `no reply within ${timeout / 1000} s: ${state}; ${advice}` };
}

function stateOf(pod: ClusterPod | undefined): string {
  if (pod === undefined)
    return `its Job has no pod, maybe for a reason in "kubectl -n ${NAMESPACE} get events"`;
  return `its pod is ${pod.phase}${pod.reason === '' ? '' : `: ${pod.reason}`}`;
}

async function readOutput(pod: string, exitCode: number): Promise<Reply> {
  const read = await get(logPath(pod, MAX_OUTPUT + 1), 2 * MAX_OUTPUT);
  if (!read.isOk && read.kind !== 'forbidden') return { exitCode: null, failure: read.reason };
  const output = requireReply(`read the log of a pod in "${NAMESPACE}"`, read);
  if (Buffer.byteLength(output) <= MAX_OUTPUT) return { exitCode, output };
  return { exitCode: null, failure: `its output has more than ${MAX_OUTPUT} bytes` };
}

/** Asks at most once in POLL ms. All who wait get the same reply. */
function shared(ask: () => Promise<KubectlReply>, stop: AbortSignal): () => Promise<KubectlReply> {
  let current: Promise<KubectlReply> | undefined;
  return () => {
    current ??= sleep(POLL, undefined, { signal: stop })
      .then(ask)
      .finally(() => {
        current = undefined;
      });
    return current;
  };
}
