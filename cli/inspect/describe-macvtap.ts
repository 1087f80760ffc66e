import { findDefects } from '../../cni/bindings/macvtap/check.ts';
import { isChosenIfindex } from '../../shared/kubelet/device-id.ts';
import type { DeviceNumber } from '../../shared/netns/netns.ts';
import { type MacvtapRecord, readRecord } from '../../shared/record.ts';
import { IFF_ALLMULTI, IFF_PROMISC, type Link } from '../../shared/rtnetlink/link.ts';
import { macvtapModeOf } from '../../shared/rtnetlink/macvtap.ts';
import type { DeviceNodeSeen, LowerDeviceSeen, MacvtapAttachment } from './inspection.ts';
import { isUp, type MacvtapOnNode, type Seen } from './seen.ts';

/** Describes the macvtaps that have a record. Pure. */
export const describeMacvtaps = (seen: Seen): readonly MacvtapAttachment[] =>
  seen.links.flatMap((link) => {
    const record = readRecord(link);
    const onNode = seen.macvtaps.get(link.ifname);
    return record?.binding === 'macvtap' && onNode !== undefined ? describe(link, record, onNode) : [];
  });

function describe(link: Link, record: MacvtapRecord, onNode: MacvtapOnNode): MacvtapAttachment {
  const { lower, number, node, resource, holders } = onNode;
  const { ifname: name, ifindex, mac, mtu, macvtap } = link;
  return {
    ...record.key,
    binding: 'macvtap',
    lowerDevice: lower === null ? null : describeLower(lower),
    lowerDeviceAtAdd: record.lowerDevice,
    macvtap: {
      ...{ name, ifindex, mac, mtu, isUp: isUp(link) },
      mode: macvtapModeOf(macvtap?.mode) ?? null,
      queues: macvtap?.queues ?? 1,
      allmulticast: (link.flags & IFF_ALLMULTI) !== 0,
      promisc: (link.flags & IFF_PROMISC) !== 0,
      hasIpv6: macvtap?.hasIpv6 ?? false,
      holders,
    },
    deviceNode: describeNode(onNode),
    resource,
    defects: [...findDefects({ link, record, number, node }), ...lowerDefects(record, lower)],
  };
}

function describeLower({ link, reception }: NonNullable<MacvtapOnNode['lower']>): LowerDeviceSeen {
  const { ifname: name, kind, mac, mtu, hasCarrier } = link;
  return { name, kind, mac, mtu, isUp: isUp(link), hasCarrier, ...reception };
}

function describeNode({ node, number, path }: MacvtapOnNode): DeviceNodeSeen | null {
  if (node === null) return null;
  const { owner, group, mode } = node;
  return {
    path,
    device: textOf(node.number),
    wanted: textOf(number),
    ...{ owner, group, mode: `0${mode.toString(8)}` },
  };
}

const textOf = (number: DeviceNumber | null): string | null =>
  number === null ? null : `${number.major}:${number.minor}`;

/** The kernel deletes macvtaps with their lower device, but not when it moves to another netns. */
const lowerDefects = ({ lowerDevice }: MacvtapRecord, lower: MacvtapOnNode['lower']): readonly string[] =>
  lower === null
    ? [`lower device "${lowerDevice}" is no longer in the node's network namespace, so no frame passes`]
    : [];

/** Sentences on macvtaps of an ADD that ended before it wrote the record. Pure. */
export const strayMacvtaps = ({ links }: Seen): readonly string[] =>
  links
    .filter(({ macvtap, ifindex, ifalias }) => macvtap !== null && isChosenIfindex(ifindex) && !ifalias)
    .map(
      ({ ifname }) =>
        `macvtap "${ifname}" looks like Tapwire's, but has no record, because an ADD did not complete; ` +
        'the next ADD or DEL of the attachment removes it, and so does deleting the pod',
    );
