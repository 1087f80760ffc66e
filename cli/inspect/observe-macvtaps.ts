import { deviceNodePath, readDeviceNode } from '../../cni/kernel/device-node.ts';
import type { MacvtapResource } from '../../cni/policy/macvtap-policy.ts';
import { readNodePolicy } from '../../cni/policy/node-file.ts';
import { firstIfindexOf, fullResourceName, MAX_CAPACITY } from '../../shared/kubelet/device-id.ts';
import { isRefused } from '../../shared/netlink/message.ts';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { readRecord } from '../../shared/record.ts';
import { type Link, linkAt } from '../../shared/rtnetlink/link.ts';
import type { Holder } from './inspection.ts';
import { macvtapHolders } from './node.ts';
import type { MacvtapOnNode } from './seen.ts';

const DEVICES = '/dev';

/**
 * Observes what the node has for the macvtaps among these links.
 *
 * @param rtnetlink of the netns of the links
 * @throws {BindingError} KERNEL_REFUSED
 */
export async function observeMacvtaps(
  links: readonly Link[],
  rtnetlink: Pick<Rtnetlink, 'readTapDevice'>,
): Promise<ReadonlyMap<string, MacvtapOnNode>> {
  const recorded = links.filter((link) => readRecord(link)?.binding === 'macvtap');
  if (recorded.length === 0) return new Map();
  onNode ??= { holders: macvtapHolders(), resources: readResources() };
  const { holders, resources } = onNode;
  const home = new Rtnetlink(null);
  try {
    const seen = new Map<string, MacvtapOnNode>();
    for (const link of recorded) {
      const number = await rtnetlink.readTapDevice(link);
      seen.set(link.ifname, {
        lower: await readLower(link.macvtap?.lower ?? null, home),
        number,
        node: readDeviceNode(DEVICES, link.ifindex),
        path: deviceNodePath(DEVICES, link.ifindex),
        resource: resourceOf(link.ifindex, resources),
        holders: number === null ? [] : (holders.get(`${number.major}:${number.minor}`) ?? []),
      });
    }
    return seen;
  } finally {
    await home.close();
  }
}

/** Read once for all pods: a node has thousands of processes. */
let onNode:
  | {
      readonly holders: ReadonlyMap<string, readonly Holder[]>;
      readonly resources: readonly MacvtapResource[];
    }
  | undefined;

/** Resources of the node policy file; none if it cannot be used, which `doctor` reports. */
function readResources(): readonly MacvtapResource[] {
  try {
    return readNodePolicy().macvtap.resources;
  } catch {
    return [];
  }
}

const resourceOf = (ifindex: number, resources: readonly MacvtapResource[]): string | null => {
  const isOf = (first: number) => ifindex >= first && ifindex < first + MAX_CAPACITY;
  const resource = resources.find(({ name }) => isOf(firstIfindexOf(name)));
  return resource === undefined ? null : fullResourceName(resource.name);
};

async function readLower(ifindex: number | null, rtnetlink: Rtnetlink): Promise<MacvtapOnNode['lower']> {
  if (ifindex === null || ifindex === 0) return null;
  const { answers } = await rtnetlink.look(linkAt(ifindex));
  const [lower] = answers;
  return lower === undefined || isRefused(lower) ? null : lower;
}
