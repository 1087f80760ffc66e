import { BindingError } from '../../shared/errors.ts';
import type { CniResult } from './cni-results.ts';

/** A netns of this node, known only from outside. */
export interface NetnsPlace {
  /** Identity of the netns: equal for all paths to it. */
  readonly id: string;
  /** Paths at which it is mounted. */
  readonly paths: readonly string[];
  /** Processes in the netns. */
  readonly pids: readonly number[];
}

/** A netns that was entered and inspected. */
export interface NetnsSeen extends NetnsPlace {
  /** Container ids in the records of its taps. */
  readonly containerIds: readonly string[];
}

export interface NodeState<Netns extends NetnsSeen = NetnsSeen> {
  readonly netnses: readonly Netns[];
  readonly results: readonly CniResult[];
  /** Cgroup paths by pid. Container runtimes put the container id into them. */
  readonly cgroups: ReadonlyMap<number, string>;
}

/**
 * Shortest prefix of an id that is accepted. `crictl` shows more digits; fewer would be a guess.
 */
const MIN_ID_DIGITS = 8;

/** A path by which the netns can be entered. */
export const pathOf = ({ paths, pids }: NetnsPlace): string => paths[0] ?? `/proc/${pids[0]}/ns/net`;

/**
 * Finds the netns of a subject. Pure.
 *
 * @param subject a name under /run/netns, a pid, the id of a container or pod sandbox or a prefix
 * of it, or `namespace/pod`
 * @throws {BindingError} INVALID_NETNS if none or several match
 */
export function findNetns<Netns extends NetnsSeen>(subject: string, node: NodeState<Netns>): Netns {
  const found = node.netnses.filter((netns) => isMeant(subject, netns, node));
  const [netns, other] = found;
  if (netns === undefined) {
    throw new BindingError(
      'INVALID_NETNS',
      `Cannot inspect "${subject}": no netns, process, container or pod of this node matches; ` +
        "run this on the pod's node, or without an argument to list all wired pods",
    );
  }
  if (other !== undefined) {
    throw new BindingError(
      'INVALID_NETNS',
      `Cannot inspect "${subject}": it matches ${found.map((one) => `"${pathOf(one)}"`).join(' and ')}; name one of them`,
    );
  }
  return netns;
}

function isMeant(subject: string, netns: NetnsSeen, { results, cgroups }: NodeState): boolean {
  const { paths, pids, containerIds } = netns;
  if (paths.includes(`/run/netns/${subject}`)) return true;
  if (/^\d{1,7}$/.test(subject)) return pids.includes(Number(subject));
  if (subject.includes('/')) {
    return results.some((result) => result.pod === subject && isOf(result, netns));
  }
  if (!/^[a-z0-9][\w.-]*$/i.test(subject) || subject.length < MIN_ID_DIGITS) return false;
  return (
    containerIds.some((id) => id.startsWith(subject)) ||
    results.some((result) => result.containerId.startsWith(subject) && isOf(result, netns)) ||
    // `…/<id>`, `…/cri-containerd-<id>.scope`, `…/crio-<id>.scope`, `…:cri-containerd:<id>`; all
    // ids are hexadecimal
    (/^[0-9a-f]+$/.test(subject) &&
      pids.some((pid) => new RegExp(`[/:-]${subject}`).test(cgroups.get(pid) ?? '')))
  );
}

/** Whether a cached result belongs to the netns. */
export function isOf({ containerId, netns }: CniResult, { paths, containerIds }: NetnsSeen): boolean {
  return containerIds.includes(containerId) || (netns !== null && paths.includes(toRun(netns)));
}

/**
 * Replaces /var/run by /run. /var/run is a link to it, and container runtimes write either path.
 */
export const toRun = (path: string): string => path.replace(/^\/var\/run\//, '/run/');
