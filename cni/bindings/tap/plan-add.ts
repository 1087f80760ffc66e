import { encodeRecord, type Restore } from '../../../shared/record.ts';
import { IFF_ALLMULTI, IFF_UP, type Link } from '../../../shared/rtnetlink/link.ts';
import { passesAllMulticast } from '../../../shared/rtnetlink/link-kind.ts';
import { encodeCookie } from '../../plan/cookie.ts';
import { type Level, type Op, type Step, setLink } from '../../plan/op.ts';
import { findOurFilter, recordOf } from '../../plan/ours.ts';
import { findLink, hasClsact, hasIngressQdisc, type NetnsState } from '../../plan/seen.ts';
import type { Attachment } from './attachment.ts';
import { refuseOtherAttachment } from './other-attachments.ts';
import { requirePodLink } from './pod-link.ts';
import { refuseConflicts, requireFilters, requireMac, requireMtu, requireOurTap } from './requirements.ts';
import { findSilence, ownTables, silenceTable } from './silence.ts';

/**
 * Decides every change of ADD: only what is missing, so that a second ADD changes nothing and one after a crash completes
 * what the first began. Pure.
 *
 * The order is the contract. The pod's own stack is silenced first, so that no later change makes it send. The tap carries its
 * record before it outlives this process. The pod link is redirected when everything behind it is ready, and set up last if it was
 * down. A qdisc's first filter waits for RCU unless somebody has waited for RCU since the qdisc was made. So both qdiscs come
 * before both filters, and the tap's qdisc before the tap goes up.
 *
 * @param told marks of what prevResult claims and is not true, for the record
 * @throws {BindingError} LINK_MISSING, LINK_UNSUPPORTED, LINK_EXISTS, INVALID_CONFIG; nothing was changed then
 */
export function planAdd(
  attachment: Attachment,
  seen: NetnsState,
  told: readonly string[] = [],
): readonly Level[] {
  const pod = requirePodLink(attachment, seen.links);
  refuseOtherAttachment(attachment, pod, seen);
  requireFilters(attachment, seen);
  requireMac(attachment, pod);
  const tap = requireOurTap(attachment, seen);
  refuseConflicts(pod, attachment, seen);
  const mtu = requireMtu(attachment, pod);
  const restore = planRestore(attachment, pod, tap, seen);

  const record = encodeRecord({ key: attachment.key, podLink: pod.ifname, mtu, restore, told });
  const levels: readonly Level[] = [
    planSilence(attachment, pod, seen),
    planTap(attachment, tap),
    [
      ...planTapSettings(attachment, tap, mtu, record),
      ...planClsact(attachment.tap, tap, seen),
      ...planUp(attachment, tap),
    ],
    tap === undefined ? [{ do: { op: 'persistTap', link: attachment.tap }, undo: [] }] : [],
    [
      ...planPodClsact(pod, restore, seen),
      ...planRedirect(attachment, { from: attachment.tap, to: pod.ifname }, restore, seen),
      ...planAllmulti(pod),
      ...planRedirect(attachment, { from: pod.ifname, to: attachment.tap }, restore, seen),
    ],
    planPodUp(pod),
  ];
  return levels.filter((level) => level.length > 0);
}

/** What DEL will have to take back: what an earlier, unfinished ADD wrote down, and what this one changes. */
function planRestore({ key }: Attachment, pod: Link, tap: Link | undefined, seen: NetnsState): Restore {
  const earlier =
    (tap && recordOf(tap, key)?.restore) ?? findOurFilter(pod.ifindex, key, seen)?.restore ?? undefined;
  return {
    clsact: hasIngressQdisc(pod.ifindex, seen)
      ? hasClsact(pod.ifindex, seen) && earlier?.clsact === true
      : true,
    allmulti: earlier?.allmulti || needsAllmulti(pod),
    noQueue: earlier?.noQueue || (pod.txqlen === 0 && !hasIngressQdisc(pod.ifindex, seen)),
    // As the first ADD found it: one that went down since is repaired.
    down: earlier?.down ?? !isUp(pod),
    silence: seen.nftables.refusal === null,
  };
}

const isUp = ({ flags }: Link): boolean => (flags & IFF_UP) !== 0;

const needsAllmulti = (pod: Link): boolean => !passesAllMulticast(pod) && (pod.flags & IFF_ALLMULTI) === 0;

/** Replaces tables whose rules are not all there; that they were incomplete is nothing to go back to. */
function planSilence({ key, tap }: Attachment, pod: Link, { nftables }: NetnsState): Step[] {
  const links = [pod.ifname, tap];
  const table = silenceTable(key);
  if (nftables.refusal !== null || findSilence(table, links, nftables) !== null) return [];
  const replaces = ownTables(key, nftables).length > 0;
  return [
    {
      do: { op: 'addSilence', table, links, replaces },
      undo: replaces ? [] : [{ op: 'deleteSilence', table }],
    },
  ];
}

/** Deleting a new tap takes back all that is done to it. */
function planTap({ tap: link, conf }: Attachment, tap: Link | undefined): Step[] {
  if (tap !== undefined) return [];
  const { multiQueue, owner, group, selinuxContext } = conf;
  const op = { op: 'addTap', link, multiQueue, owner, group, selinuxContext } as const;
  return [{ do: op, undo: [{ op: 'deleteLink', link }] }];
}

/** A tap of an earlier ADD is given its values back when this one fails. */
function planTapSettings(
  { tap: link }: Attachment,
  tap: Link | undefined,
  mtu: number,
  ifalias: string,
): Step[] {
  if (tap === undefined) {
    return [
      { do: setLink(link, { set: 'alias', ifalias }), undo: [] },
      { do: setLink(link, { set: 'addrgenmode none' }), undo: [] },
      { do: setLink(link, { set: 'mtu', mtu }), undo: [] },
    ];
  }
  const steps: Step[] = [];
  if (tap.ifalias !== null && tap.ifalias !== ifalias) {
    steps.push({
      do: setLink(link, { set: 'alias', ifalias }),
      undo: [setLink(link, { set: 'alias', ifalias: tap.ifalias })],
    });
  }
  if (tap.mtu !== mtu) {
    steps.push({
      do: setLink(link, { set: 'mtu', mtu }),
      undo: [setLink(link, { set: 'mtu', mtu: tap.mtu })],
    });
  }
  if (!isUp(tap)) {
    steps.push({ do: setLink(link, { set: 'addrgenmode none' }), undo: [] });
    steps.push({
      do: setLink(link, { set: 'up', on: true }),
      undo: [setLink(link, { set: 'up', on: false })],
    });
  }
  return steps;
}

/** Behind the qdisc: a link that is up is stopped for one. */
function planUp({ tap: link }: Attachment, tap: Link | undefined): Step[] {
  if (tap !== undefined) return [];
  return [{ do: setLink(link, { set: 'up', on: true }), undo: [] }];
}

/** Last, and only with the redirect in its place: until then no frame of the network reaches the pod's own stack. */
function planPodUp(pod: Link): Step[] {
  if (isUp(pod)) return [];
  const setUp = (on: boolean) => setLink(pod.ifname, { set: 'up', on });
  return [{ do: setUp(true), undo: [setUp(false)] }];
}

function planClsact(
  ifname: string,
  link: Link | undefined,
  seen: NetnsState,
  alsoUndo: readonly Op[] = [],
): Step[] {
  if (link !== undefined && hasIngressQdisc(link.ifindex, seen)) return [];
  const undo: readonly Op[] = [{ op: 'deleteClsact', link: ifname }, ...alsoUndo];
  return [{ do: { op: 'addClsact', link: ifname }, undo }];
}

/**
 * Gives the pod link its qdisc. With the first qdisc of a link that has no queue, the kernel gives the link a queue of 1000
 * frames: it is set back to none, also when the qdisc is undone.
 */
function planPodClsact(pod: Link, { noQueue }: Restore, seen: NetnsState): Step[] {
  const setNoQueue = () => setLink(pod.ifname, { set: 'txqueuelen', txqlen: 0 });
  const clsact = planClsact(pod.ifname, pod, seen, noQueue ? [setNoQueue()] : []);
  const isRight = !noQueue || (clsact.length === 0 && pod.txqlen === 0);
  return [...clsact, ...(isRight ? [] : [{ do: setNoQueue(), undo: [] }])];
}

function planAllmulti(pod: Link): Step[] {
  if (!needsAllmulti(pod)) return [];
  const setAllmulticast = (on: boolean) => setLink(pod.ifname, { set: 'allmulticast', on });
  return [{ do: setAllmulticast(true), undo: [setAllmulticast(false)] }];
}

/** A redirect of ours that leads elsewhere (its target was deleted and made anew) is replaced. */
function planRedirect(
  { key }: Attachment,
  { from, to }: { readonly from: string; readonly to: string },
  restore: Restore,
  seen: NetnsState,
): Step[] {
  const source = findLink(from, seen);
  const earlier = source === undefined ? null : findOurFilter(source.ifindex, key, seen);
  if (earlier !== null && earlier.to === findLink(to, seen)?.ifindex) return [];

  const cookie = encodeCookie(key, restore);
  const add: Step = {
    do: { op: 'addRedirect', from, to, cookie },
    undo: [{ op: 'deleteRedirect', from, cookie }],
  };
  if (earlier === null) return [add];
  const before = seen.links.find(({ ifindex }) => ifindex === earlier.to)?.ifname;
  const undo =
    before === undefined ? [] : [{ op: 'addRedirect', from, to: before, cookie: earlier.cookie } as const];
  return [{ do: { op: 'deleteRedirect', from, cookie: earlier.cookie }, undo }, add];
}
