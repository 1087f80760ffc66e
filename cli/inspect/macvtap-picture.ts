import type { Reception } from '../../shared/rtnetlink/link.ts';
import type { DeviceNodeSeen, LowerDeviceSeen, Macvtap, MacvtapAttachment } from './inspection.ts';
import {
  type Arrow,
  type Box,
  box,
  count,
  GONE,
  holderNames,
  holderNotes,
  kindText,
  type Note,
  note,
  type Picture,
  state,
  stateNotes,
} from './parts.ts';

/** Decides how a lower device and a macvtap on it are drawn. Pure. */
export function macvtapPicture(attachment: MacvtapAttachment): Picture {
  const { lowerDevice, macvtap, containerId, ifname, binding } = attachment;
  return {
    left: lowerDevice === null ? GONE : lowerBox(lowerDevice),
    right: macvtapBox(macvtap),
    toRight: arrowOf(lowerDevice, macvtap.mode ?? 'unknown mode'),
    toLeft: arrowOf(lowerDevice, ''),
    notes: [
      note('container', `${containerId}, ${ifname}`),
      note('binding', binding),
      ...renamedNotes(attachment),
      resourceNote(attachment),
      nodeNote(attachment.deviceNode),
      ...holderNotes(macvtap.holders, 'no process: no VM has the device open'),
      ...stateNotes(attachment),
    ],
  };
}

export const macvtapNames = ({ lowerDevice, macvtap }: MacvtapAttachment): string =>
  `${lowerDevice?.name ?? GONE.title} <-> ${macvtap.name}${holderNames(macvtap.holders)}`;

function renamedNotes({ lowerDevice, lowerDeviceAtAdd }: MacvtapAttachment): readonly Note[] {
  if (lowerDevice === null || lowerDevice.name === lowerDeviceAtAdd) return [];
  return [note('lower', `"${lowerDevice.name}" was "${lowerDeviceAtAdd}" when ADD ran`)];
}

const resourceNote = ({ resource, macvtap }: MacvtapAttachment): Note =>
  note('resource', resource ?? `none of the node policy file has the index ${macvtap.ifindex}`);

function nodeNote(node: DeviceNodeSeen | null): Note {
  if (node === null) return note('device', 'there is no device node', false);
  const { path, device, wanted, owner, group, mode } = node;
  const isRight = device !== null && device === wanted;
  const number = device ?? 'not a character device';
  return note(
    'device',
    `${path}, ${number}${isRight ? '' : ` instead of ${wanted ?? 'an unknown number'}`}, owner ${owner}, group ${group}, mode ${mode}`,
    isRight ? null : false,
  );
}

const lowerBox = (lower: LowerDeviceSeen): Box =>
  box(lower.name, [kindText(lower), lower.mac, `MTU ${lower.mtu}`, ...filterLines(lower)]);

function macvtapBox(macvtap: Macvtap): Box {
  const { name, mac, mtu, isUp, queues, hasIpv6 } = macvtap;
  return box(name, [
    `macvtap, ${state(isUp)}`,
    mac,
    `MTU ${mtu}`,
    ...filterLines(macvtap),
    queues === 1 ? 'one queue' : count(queues, 'queue'),
    `IPv6 ${hasIpv6 ? 'ON' : 'off'}`,
  ]);
}

const filterLines = ({ allmulticast, promisc }: Reception): readonly string[] => [
  `allmulticast ${allmulticast === null ? 'unknown' : onOrOff(allmulticast)}`,
  `promiscuous ${onOrOff(promisc)}`,
];

const onOrOff = (isOn: boolean): string => (isOn ? 'on' : 'off');

const arrowOf = (lowerDevice: LowerDeviceSeen | null, label: string): Arrow =>
  lowerDevice === null ? { label: 'no frame passes', isMissing: true } : { label, isMissing: false };
