import { BindingError } from '../../shared/errors.ts';
import { readTemplate } from './agent-template.ts';
import { nodesPath } from './api.ts';
import type { Task } from './job.ts';
import { get, requireReply } from './kubectl.ts';
import { type NodeReport, toReport } from './node-report.ts';
import { type ClusterNode, continueOf, itemsOf, parseReply, toNode } from './objects.ts';
import { allowsNode } from './placement.ts';
import { runJobs } from './run-jobs.ts';

/** Most bytes of one page of nodes; a node has up to 30 kB. */
const MAX_PAGE = 16 * 1024 * 1024;
/** Most pages, of 200 nodes each: twice the nodes that Kubernetes supports. */
const MAX_PAGES = 50;

export interface ClusterDiagnosis {
  /** Sorted by node. */
  readonly reports: readonly NodeReport[];
  /** Sentences on Jobs that could not be deleted. */
  readonly leftovers: readonly string[];
}

/**
 * Checks each node that the agent's DaemonSet selects. A node that is not ready is not asked.
 *
 * @param names nodes to check; empty to check all
 * @param args arguments of the doctor on the nodes
 * @param timeout time in s for each node
 * @throws {BindingError} NOT_ALLOWED, IO_FAILURE; INVALID_CONFIG if a named node cannot be checked
 */
export async function diagnoseCluster(
  names: readonly string[],
  args: readonly string[],
  timeout: number,
  signal: AbortSignal,
): Promise<ClusterDiagnosis> {
  const template = await readTemplate();
  const all = await listNodes();
  const selected = all.filter(({ labels }) => allowsNode(template.spec, labels));
  requireNodes(names, all, 'the cluster has no such node; see "kubectl get nodes"');
  requireNodes(names, selected, 'DaemonSet "tapwire/tapwire" does not select it; see its node affinity');
  const nodes = names.length === 0 ? selected : selected.filter(({ name }) => names.includes(name));
  const ready = nodes.filter(({ notReady }) => notReady === null);
  const tasks = ready.map(({ name }): Task => ({ node: name, command: 'doctor', args: ['--json', ...args] }));
  const { replies, leftovers } = await runJobs(tasks, template, timeout, signal);
  const asked = replies.map((reply, index) => toReport(ready[index]?.name ?? '', reply));
  const others = nodes.flatMap(({ name, notReady }): NodeReport[] =>
    notReady === null
      ? []
      : [
          {
            node: name,
            findings: [],
            failure: `the node is not ready: ${notReady}; see "kubectl describe node ${name}"`,
          },
        ],
  );
  return { reports: [...asked, ...others].sort((a, b) => (a.node < b.node ? -1 : 1)), leftovers };
}

/** @throws {BindingError} INVALID_CONFIG that names the nodes that the list lacks */
function requireNodes(names: readonly string[], nodes: readonly ClusterNode[], reason: string): void {
  const listed = new Set(nodes.map(({ name }) => name));
  const missing = [...new Set(names)].filter((name) => !listed.has(name));
  if (missing.length === 0) return;
  const list = missing.map((name) => JSON.stringify(name)).join(', ');
  throw new BindingError('INVALID_CONFIG', `Cannot check ${list}: ${reason}`);
}

async function listNodes(): Promise<readonly ClusterNode[]> {
  const nodes: ClusterNode[] = [];
  let token = '';
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const list = parseReply(
      'list the nodes',
      requireReply('list the nodes', await get(nodesPath(token), MAX_PAGE)),
    );
    nodes.push(...itemsOf(list).map(toNode));
    token = continueOf(list);
    if (token === '') break;
  }
  return nodes;
}
