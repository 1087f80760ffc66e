import { printable } from '../../shared/printable.ts';
import type { Attachment, FilterSeen, Holder, Inspection, PodLink, Redirect, Tap } from './inspection.ts';

/** The parts of a drawing of an attachment, as text or SVG. All strings are safe to print. */
export interface Picture {
  readonly podLink: Box;
  readonly tap: Box;
  /** Label of the arrow from the pod link to the tap; null for no arrow. */
  readonly toTap: string | null;
  /** Label of the arrow from the tap to the pod link; null for no arrow. */
  readonly toPodLink: string | null;
  /** Lines under the boxes. */
  readonly notes: readonly Note[];
}

export interface Box {
  readonly title: string;
  readonly lines: readonly string[];
}

export interface Note {
  /** Keyword in front of the text. */
  readonly about: string;
  readonly text: string;
  /** Colour of the text: good is green, bad is red, null is neutral. */
  readonly isGood: boolean | null;
}

/** Decides how an attachment is drawn. Pure. */
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
      ...(tap.holders.length === 0 ? [note('held by', 'no process: no VM has the tap open')] : []),
      ...tap.holders.map((holder) => note('held by', holderText(holder))),
      silenceNote(attachment),
      ...unopenedNotes(podLink),
      ...attachment.filters.filter(({ verdict }) => verdict === 'unknown').map(filterNote),
      ...(attachment.defects.length === 0 ? [note('state', 'as ADD left it', true)] : []),
      ...attachment.defects.map((defect) => note('defect', defect, false)),
    ],
  };
}

/** Notes on the netns as a whole. Pure. */
export function toNotes(inspection: Inspection): readonly Note[] {
  const { attachments, strays, sysctls, passt } = inspection;
  const isNothing = attachments.length === 0 && strays.length === 0 && passt === null;
  return [
    ...(isNothing ? [note('wired', 'nothing by Tapwire')] : []),
    ...(isNothing && sysctls !== null
      ? [note('passt', 'possible: it leaves no trace except the sysctls below')]
      : []),
    ...strays.map((stray) => note('stray', stray, false)),
    ...(passt?.defects.length === 0 ? [note('passt', 'as ADD left it', true)] : []),
    ...(passt?.defects ?? []).map((defect) => note('passt', defect, false)),
    ...Object.entries(sysctls ?? {}).map(([sysctl, value]) => note('sysctl', `${sysctl} = ${value}`)),
  ];
}

/** All differences from the state after ADD. */
export const defectsOf = ({ attachments, strays, passt }: Inspection): readonly string[] => [
  ...attachments.flatMap(({ defects }) => defects),
  ...strays,
  ...(passt?.defects ?? []),
];

/** Title of a netns: its pod and its path. */
export const titleOf = ({ pod, netns }: Inspection): string =>
  printable(pod === null ? netns : `${pod}  ${netns}`);

const note = (about: string, text: string, isGood: boolean | null = null): Note => ({
  about,
  text: printable(text),
  isGood,
});

/** Note on a filter that may stop frames. Filters that certainly do are defects. */
const filterNote = ({ link, filter }: FilterSeen): Note =>
  note('filter', `"${link}" has ${filter}, which may keep frames from the redirect`);

function silenceNote({ silence }: Attachment): Note {
  return silence === null
    ? note('silence', "none: the pod's own stack can send with the VM's MAC")
    : note('silence', `${count(silence.packets, 'packet')} of the pod's own stack dropped`);
}

/** Note on a pod link that is itself a tap: it passes frames only while a process has it open. */
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

/** Formats bytes with at most three digits before the point. */
function size(bytes: number): string {
  const unit = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 4);
  const value = bytes / 1000 ** unit;
  return `${unit === 0 ? value : value.toFixed(1)} ${['B', 'kB', 'MB', 'GB', 'TB'][unit]}`;
}
