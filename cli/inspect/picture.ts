import { printable } from '../../shared/printable.ts';
import type { Attachment, FilterSeen, Holder, Inspection, PodLink, Redirect, Tap } from './inspection.ts';

/** What both the text and the SVG draw of an attachment. All text may be printed. */
export interface Picture {
  readonly podLink: Box;
  readonly tap: Box;
  /** What is written on the arrow from the pod link to the tap; null: there is no arrow. */
  readonly toTap: string | null;
  readonly toPodLink: string | null;
  /** Below the boxes: what is said, and of what. */
  readonly notes: readonly Note[];
}

export interface Box {
  readonly title: string;
  readonly lines: readonly string[];
}

export interface Note {
  readonly about: string;
  readonly text: string;
  /** Null where it is neither good nor bad. */
  readonly isGood: boolean | null;
}

/** Decides what is shown of an attachment. Pure. */
export function toPicture(attachment: Attachment): Picture {
  const { podLink, tap, containerId, ifname, binding } = attachment;
  return {
    podLink: podLink === null ? { title: 'gone', lines: [] } : podLinkBox(podLink),
    tap: tapBox(tap),
    toTap: arrowText(attachment.toTap),
    toPodLink: arrowText(attachment.toPodLink),
    notes: [
      note('container', `${containerId}, ${ifname}`),
      note('binding', binding),
      ...(tap.holders.length === 0 ? [note('held by', 'nobody: no VM has the tap open')] : []),
      ...tap.holders.map((holder) => note('held by', holderText(holder))),
      silenceNote(attachment),
      ...unopenedNotes(podLink),
      ...attachment.filters.filter(({ verdict }) => verdict === 'unknown').map(filterNote),
      ...(attachment.defects.length === 0 ? [note('state', 'as ADD left it', true)] : []),
      ...attachment.defects.map((defect) => note('defect', defect, false)),
    ],
  };
}

/** What there is to say of a netns beside its attachments. Pure. */
export function toNotes(inspection: Inspection): readonly Note[] {
  const { attachments, strays, sysctls, passt } = inspection;
  const isNothing = attachments.length === 0 && strays.length === 0 && passt === null;
  return [
    ...(isNothing ? [note('wired', 'nothing of Tapwire is here')] : []),
    ...(isNothing && sysctls !== null ? [note('passt', 'would leave nothing but the sysctls below')] : []),
    ...strays.map((stray) => note('stray', stray, false)),
    ...(passt?.defects.length === 0 ? [note('passt', 'as ADD left it', true)] : []),
    ...(passt?.defects ?? []).map((defect) => note('passt', defect, false)),
    ...Object.entries(sysctls ?? {}).map(([sysctl, value]) => note('sysctl', `${sysctl} = ${value}`)),
  ];
}

/** All that is not as ADD left it. */
export const defectsOf = ({ attachments, strays, passt }: Inspection): readonly string[] => [
  ...attachments.flatMap(({ defects }) => defects),
  ...strays,
  ...(passt?.defects ?? []),
];

/** What a netns is called: its pod, and how to get there. */
export const titleOf = ({ pod, netns }: Inspection): string =>
  printable(pod === null ? netns : `${pod}  ${netns}`);

const note = (about: string, text: string, isGood: boolean | null = null): Note => ({
  about,
  text: printable(text),
  isGood,
});

/** Those that are known to keep frames are defects. */
const filterNote = ({ link, filter }: FilterSeen): Note =>
  note('filter', `"${link}" has ${filter}, which may keep frames from the redirect`);

function silenceNote({ silence }: Attachment): Note {
  return silence === null
    ? note('silence', "none: the pod's own stack can send with the MAC of the VM")
    : note('silence', `${count(silence.packets, 'packet')} of the pod's own stack dropped`);
}

/** A tap in the place of the pod link is of use only while a process has it open. */
function unopenedNotes(podLink: PodLink | null): readonly Note[] {
  if (podLink?.kind !== 'tun' || podLink.hasCarrier) return [];
  return [note('pod link', `${podLink.name} is a tap that no process has open: no frame passes`)];
}

function podLinkBox({ name, kind, mac, mtu, isUp, hasCarrier, addresses }: PodLink): Box {
  const carrier = isUp && !hasCarrier ? ', no carrier' : '';
  return box(name, [`${kind ?? 'physical'}, ${state(isUp)}${carrier}`, mac, `MTU ${mtu}`, ...addresses]);
}

function tapBox({ name, mac, mtu, isUp, owner, group, multiQueue, persistent }: Tap): Box {
  return box(name, [
    `tap, ${state(isUp)}`,
    mac,
    `MTU ${mtu}`,
    `owner ${owner ?? 'anyone'}, group ${group ?? 'any'}`,
    multiQueue ? 'multi-queue' : 'one queue',
    ...(persistent ? [] : ['not persistent']),
  ]);
}

const box = (title: string, lines: readonly string[]): Box => ({
  title: printable(title),
  lines: lines.map(printable),
});

const state = (isUp: boolean): string => (isUp ? 'up' : 'DOWN');

const holderText = ({ pid, program, queues }: Holder): string =>
  `${program} (pid ${pid}), ${count(queues, 'queue')}`;

function arrowText(redirect: Redirect | null): string | null {
  if (redirect === null) return null;
  return `${count(redirect.packets, 'frame')}, ${size(redirect.bytes)}`;
}

export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** Bytes, in the largest unit that leaves three digits. */
function size(bytes: number): string {
  const unit = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 4);
  const value = bytes / 1000 ** unit;
  return `${unit === 0 ? value : value.toFixed(1)} ${['B', 'kB', 'MB', 'GB', 'TB'][unit]}`;
}
