import type { CountedFrames } from '../../cni/bindings/tap/floor.ts';
import type { FilterSeen, Passage, PodLink, Redirect, Services, Tap, TapAttachment } from './inspection.ts';
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

/** Decides how a pod link, a tap and the redirects between them are drawn. Pure. */
export function tapPicture(attachment: TapAttachment): Picture {
  const { podLink, tap, containerId, ifname, binding } = attachment;
  return {
    left: podLink === null ? GONE : podLinkBox(podLink),
    right: tapBox(tap),
    toRight: arrowOf(attachment.toTap),
    toLeft: arrowOf(attachment.toPodLink),
    notes: [
      note('container', `${containerId}, ${ifname}`),
      note('binding', binding),
      ...holderNotes(tap.holders, 'no process: no VM has the tap open'),
      silenceNote(attachment),
      ...(attachment.passage === null ? [] : passageNotes(attachment.passage)),
      ...unopenedNotes(podLink),
      ...attachment.filters.filter(({ verdict }) => verdict === 'unknown').map(filterNote),
      ...stateNotes(attachment),
    ],
  };
}

export const tapNames = ({ podLink, tap }: TapAttachment): string =>
  `${podLink?.name ?? GONE.title} <-> ${tap.name}${holderNames(tap.holders)}`;

/** Note on a filter that may stop frames. Filters that certainly do are defects. */
const filterNote = ({ link, filter }: FilterSeen): Note =>
  note('filter', `"${link}" has ${filter}, which may keep frames from the redirect`);

function silenceNote({ silence }: TapAttachment): Note {
  return silence === null
    ? note('silence', "none: the pod's own stack can send with the VM's MAC")
    : note('silence', `${count(silence.packets, 'packet')} of the pod's own stack dropped`);
}

/** Notes on what ends where between guest, pod and network. */
function passageNotes({ services, guard, dropped }: Passage): readonly Note[] {
  return [
    ...(services === null ? [] : serviceNotes(services)),
    ...(guard === null
      ? []
      : [note('guard', `${COMPARED[guard.compares]}, by ${FORMS[guard.form ?? 'none']}`)]),
    note('dropped', dropped === null ? UNKNOWN : `${count(dropped, 'frame')} of the guest that nobody got`),
  ];
}

const UNKNOWN = 'unknown: the nftables table is gone or changed';
const COMPARED = { mac: 'source MAC', addresses: 'source MAC and addresses' } as const;
const FORMS = { program: 'a classic BPF program', filters: 'u32 filters', none: 'no filters' } as const;

function serviceNotes({ served, isolated, router }: Services): readonly Note[] {
  return [
    note('services', served === null ? UNKNOWN : listed(served)),
    note('isolation', isolated === null ? UNKNOWN : `dropped from outside: ${listed(isolated)}`),
    ...(router === null ? [] : [note('router', `${router.address}, ${router.mac ?? 'of unknown MAC'}`)]),
  ];
}

const listed = (frames: readonly CountedFrames[]): string =>
  frames.map(({ what, packets }) => `${what} ${packets}`).join(', ');

/** Note on a pod link that is itself a tap: it passes frames only while a process has it open. */
function unopenedNotes(podLink: PodLink | null): readonly Note[] {
  if (podLink?.kind !== 'tun' || podLink.hasCarrier) return [];
  return [note('pod link', `${podLink.name} is a tap that no process has open: no frame passes`)];
}

const podLinkBox = (podLink: PodLink): Box =>
  box(podLink.name, [kindText(podLink), podLink.mac, `MTU ${podLink.mtu}`, ...podLink.addresses]);

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

function arrowOf(redirect: Redirect | null): Arrow {
  if (redirect === null) return { label: 'no redirect', isMissing: true };
  return { label: `${count(redirect.packets, 'frame')}, ${size(redirect.bytes)}`, isMissing: false };
}

/** Formats bytes with at most three digits before the point. */
function size(bytes: number): string {
  const unit = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 4);
  const value = bytes / 1000 ** unit;
  return `${unit === 0 ? value : value.toFixed(1)} ${['B', 'kB', 'MB', 'GB', 'TB'][unit]}`;
}
