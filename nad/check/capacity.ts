import { get } from '../../shared/json.ts';
import { RESOURCE_ANNOTATION } from '../generate/nad.ts';
import { type Finding, warning } from './finding.ts';
import { resourceOf } from './macvtap-nad.ts';
import type { NadSeen } from './nad-config.ts';
import type { NadIndex } from './nad-index.ts';
import { findNad, parseReference } from './reference.ts';
import { fullName, pathTo, type Resource } from './resource.ts';
import type { Vm } from './vm.ts';

/**
 * Compares the devices that running VMs need with those that the nodes offer, if the files contain
 * nodes. A VM that finds no device stays in phase Scheduling.
 *
 * @param nads all NADs of the files
 * @param resources all objects, among them perhaps nodes
 */
export function checkCapacity(
  nads: readonly Resource[],
  vms: readonly Vm[],
  resources: readonly Resource[],
  index: NadIndex,
): readonly Finding[] {
  const nodes = resources.filter(({ group, kind }) => group === '' && kind === 'Node');
  if (nodes.length === 0) return [];
  const needed = neededBy(vms, nads, index);
  return [...needed].flatMap(([resource, { count, nad }]) => {
    const offers = nodes.map(({ value }) => get(value, 'status', 'allocatable', resource));
    const offered = offers.map(Number).filter(Number.isFinite);
    const total = offered.reduce((sum, one) => sum + one, 0);
    const place = nad.at(pathTo('$.metadata.annotations', RESOURCE_ANNOTATION));
    const subject = `NetworkAttachmentDefinition "${fullName(nad)}"`;
    const isOurs = index.find(nad.namespace, nad.name)?.wiring === 'macvtap';
    const name = `"${resource}"`;
    if (offered.length === 0) {
      const remedy = isOurs ? `; ${OFFER}` : '';
      return [warning(place, `${subject}: no node in these files offers ${name}${remedy}`)];
    }
    if (count <= total) return [];
    const remedy = isOurs ? `; raise "capacity" in $.macvtap.resources of the node policy file` : '';
    return [
      warning(
        place,
        `${subject}: the VMs that run need ${count} of ${name}, but all nodes together offer ${total}${remedy}`,
      ),
    ];
  });
}

const OFFER =
  'check $.macvtap.resources of /etc/tapwire/node.json on the nodes, and that the DaemonSet has the component macvtap';

interface Need {
  readonly count: number;
  /** The first NAD that asks for the resource. */
  readonly nad: Resource;
}

function neededBy(vms: readonly Vm[], nads: readonly Resource[], index: NadIndex): ReadonlyMap<string, Need> {
  const asking = new Map(nads.map((nad) => [fullName(nad), { nad, resource: resourceOf(nad) }]));
  const needed = new Map<string, Need>();
  for (const { pods, networks, namespace } of vms) {
    for (const { multus } of networks) {
      const seen: NadSeen | undefined =
        multus === null ? undefined : findNad(parseReference(multus.networkName), namespace, index);
      const { nad, resource = null } = (seen && asking.get(fullName(seen))) ?? {};
      if (nad === undefined || resource === null || pods === 0) continue;
      const before = needed.get(resource);
      needed.set(resource, { count: (before?.count ?? 0) + pods, nad: before?.nad ?? nad });
    }
  }
  return needed;
}
