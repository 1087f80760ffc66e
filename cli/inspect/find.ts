import { BindingError } from '../../shared/errors.ts';
import type { CniResult } from './cni-results.ts';

/** A netns of this node, from outside. */
export interface NetnsPlace {
  /** Equal for two paths of one netns. */
  readonly id: string;
  /** Where it is mounted. */
  readonly paths: readonly string[];
  /** Processes that are in it. */
  readonly pids: readonly number[];
}

/** What is known of it once it was looked into. */
export interface NetnsSeen extends NetnsPlace {
  /** Of records on the taps in it. */
  readonly containerIds: readonly string[];
}

export interface Node<Netns extends NetnsSeen = NetnsSeen> {
  readonly netnses: readonly Netns[];
  readonly results: readonly CniResult[];
  /** By pid, the paths of a process' cgroups, in which runtimes name the container. */
  readonly cgroups: ReadonlyMap<number, string>;
}

/** Of ids people give the first digits: as many as `crictl` shows are enough, fewer are a guess. */
const MIN_ID_DIGITS = 8;

/** The way into a netns. */
export const pathOf = ({ paths, pids }: NetnsPlace): string => paths[0] ?? `/proc/${pids[0]}/ns/net`;

/**
 * The netns that somebody means by a name below /run/netns, a pid, the id of a container or pod sandbox or the start of one, or
 * `namespace/pod`. Pure.
 *
 * @throws {BindingError} INVALID_NETNS where it is none or several
 */
export function findNetns<Netns extends NetnsSeen>(subject: string, node: Node<Netns>): Netns {
  const found = node.netnses.filter((netns) => isMeant(subject, netns, node));
  const [netns, other] = found;
  if (netns === undefined) {
    throw new BindingError(
      'INVALID_NETNS',
      `Cannot inspect "${subject}": no netns of this node is called that, and no process, container or pod here; ` +
        'ask on the node that the pod runs on, or without an argument for all that is wired',
    );
  }
  if (other !== undefined) {
    throw new BindingError(
      'INVALID_NETNS',
      `Cannot inspect "${subject}": it could mean ${found.map((one) => `"${pathOf(one)}"`).join(' or ')}; name one of them`,
    );
  }
  return netns;
}

function isMeant(subject: string, netns: NetnsSeen, { results, cgroups }: Node): boolean {
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
    // `…/<id>`, `…/cri-containerd-<id>.scope`, `…/crio-<id>.scope`, `…:cri-containerd:<id>`; all write ids in hex
    (/^[0-9a-f]+$/.test(subject) &&
      pids.some((pid) => new RegExp(`[/:-]${subject}`).test(cgroups.get(pid) ?? '')))
  );
}

/** Whether the netns is the one that an ADD was for. */
export function isOf({ containerId, netns }: CniResult, { paths, containerIds }: NetnsSeen): boolean {
  return containerIds.includes(containerId) || (netns !== null && paths.includes(toRun(netns)));
}

/** /var/run is a link to /run, and runtimes write either. */
export const toRun = (path: string): string => path.replace(/^\/var\/run\//, '/run/');
