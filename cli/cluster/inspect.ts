import { BindingError } from '../../shared/errors.ts';
import { readTemplate } from './agent-template.ts';
import { launchersPath, vmiPath } from './api.ts';
import type { Task } from './job.ts';
import { get, requireReply } from './kubectl.ts';
import { type ClusterPod, itemsOf, parseReply, textAt, toPod } from './objects.ts';
import { type Reply, runJobs } from './run-jobs.ts';

const MAX_OBJECTS = 4 * 1024 * 1024; // bytes

/** The output of `tapwire inspect` for one pod of a VMI. */
export interface PodReport {
  /** `namespace/name` */
  readonly pod: string;
  readonly node: string;
  readonly reply: Reply;
}

export interface VmiInspection {
  readonly reports: readonly PodReport[];
  /** Sentences on Jobs that could not be deleted. */
  readonly leftovers: readonly string[];
}

/**
 * Inspects each pod of a VMI on its node: one, or two during a migration.
 *
 * @param subject `namespace/name`
 * @param args arguments of `inspect` on the node
 * @param timeout time in s for each pod
 * @throws {BindingError} INVALID_VMI, NOT_ALLOWED, IO_FAILURE
 */
export async function inspectVmi(
  subject: string,
  args: readonly string[],
  timeout: number,
  signal: AbortSignal,
): Promise<VmiInspection> {
  const [namespace = '', name = ''] = subject.split('/');
  const what = `inspect VMI "${subject}"`;
  const pods = await podsOf(namespace, name, what);
  const tasks = pods.map(
    (pod): Task => ({ node: pod.node, command: 'inspect', args: [...args, `${namespace}/${pod.name}`] }),
  );
  const { replies, leftovers } = await runJobs(tasks, await readTemplate(), timeout, signal);
  const reports = replies.flatMap((reply, index) => {
    const pod = pods[index];
    return pod === undefined ? [] : [{ pod: `${namespace}/${pod.name}`, node: pod.node, reply }];
  });
  return { reports, leftovers };
}

async function podsOf(namespace: string, name: string, what: string): Promise<readonly ClusterPod[]> {
  const vmi = await get(vmiPath(namespace, name), MAX_OBJECTS);
  if (!vmi.isOk && vmi.kind === 'missing') {
    throw new BindingError('INVALID_VMI', `Cannot ${what}: ${vmi.reason}; see "kubectl get vmi -A"`);
  }
  const uid = textAt(parseReply(what, requireReply(what, vmi)), 'metadata', 'uid');
  const list = await get(launchersPath(namespace, uid), MAX_OBJECTS);
  const pods = itemsOf(parseReply(what, requireReply(`list the pods of VMI "${namespace}/${name}"`, list)));
  const running = pods
    .map(toPod)
    .filter(({ phase, node }) => node !== '' && (phase === 'Running' || phase === 'Pending'));
  if (running.length > 0) return running;
  const reason = `none of its ${pods.length} pods is on a node; see "kubectl -n ${namespace} describe vmi ${name}"`;
  throw new BindingError('INVALID_VMI', `Cannot ${what}: ${reason}`);
}
