import { BindingError } from '../shared/errors.ts';
import { IFF_ALLMULTI, IFF_UP, type Link } from '../shared/rtnetlink/link.ts';
import type { Attachment } from './attachment.ts';
import type { Netns } from './kernel.ts';
import type { Step } from './op.ts';
import { filtersMulticast, requirePodLink } from './pod-link.ts';
import { describeHolder, encodeCookie, encodeRecord, type Restore, recordOf } from './record.ts';
import { findLink, findOurFilter, findRival, hasIngressQdisc } from './wiring.ts';

/**
 * Decides every change of ADD: only what is missing, so that a second ADD changes nothing and one after a crash completes
 * what the first began. Pure.
 *
 * The order is the contract. The tap carries its record before it outlives this process. All that a kernel may lack (tun,
 * clsact, classifier, mirred) is first asked of the tap, before the pod link is touched. The pod link is redirected last,
 * when everything behind it is ready.
 *
 * @throws {BindingError} LINK_MISSING, LINK_UNSUPPORTED, LINK_EXISTS, INVALID_CONFIG; nothing was changed then
 */
export function planAdd(attachment: Attachment, seen: Netns): readonly Step[] {
  const pod = requirePodLink(attachment, seen.links);
  requireMac(attachment, pod);
  const tap = requireOurTap(attachment, seen);
  refuseRivals(pod, attachment, seen);
  const mtu = requireMtu(attachment, pod);
  const restore = planRestore(attachment, pod, tap, seen);

  return [
    ...planTap(
      attachment,
      tap,
      mtu,
      encodeRecord({ key: attachment.key, podLink: pod.ifname, mtu, restore }),
    ),
    ...planClsact(attachment.tap, tap, seen),
    ...planRedirect(attachment, { from: attachment.tap, to: pod.ifname }, restore, seen),
    ...planClsact(pod.ifname, pod, seen),
    ...planAllmulti(pod),
    ...planRedirect(attachment, { from: pod.ifname, to: attachment.tap }, restore, seen),
  ];
}

/** Our tap, or undefined where its name is free. */
function requireOurTap({ key, podLink, tap, conf }: Attachment, seen: Netns): Link | undefined {
  const link = findLink(tap, seen);
  if (link === undefined) return undefined;
  const record = recordOf(link, key);
  if (link.tun === null || record === null) {
    throw new BindingError(
      'LINK_EXISTS',
      `Cannot add tap "${tap}": that name is taken by ${describeHolder(link)}`,
    );
  }
  if (record.podLink !== podLink) {
    throw new BindingError(
      'LINK_EXISTS',
      `Cannot add tap "${tap}" for "${podLink}": it is there for "${record.podLink}"; DEL it first`,
    );
  }
  const { owner, group, multiQueue } = link.tun;
  if (owner !== conf.owner || group !== conf.group || multiQueue !== conf.multiQueue) {
    throw new BindingError(
      'LINK_EXISTS',
      `Cannot add tap "${tap}": it is there with another owner, group or multiQueue; DEL it first, a VM may be using it`,
    );
  }
  return link;
}

/** Others may have filters on the pod link, but none that takes the frames or stands in our place. */
function refuseRivals(pod: Link, { key, tap }: Attachment, seen: Netns): void {
  if (seen.qdiscs.some(({ ifindex, isShared }) => ifindex === pod.ifindex && isShared)) {
    throw new BindingError(
      'LINK_UNSUPPORTED',
      `Cannot wire "${tap}" to "${pod.ifname}": its ingress qdisc shares a filter block with other links, ` +
        'which would be redirected as well',
    );
  }
  const rival = findRival(pod.ifindex, key, seen);
  if (rival === null) return;
  const target =
    seen.links.find(({ ifindex }) => ifindex === rival.redirect?.to)?.ifname ?? 'a link that is gone';
  const what = rival.redirect === null ? 'there is' : `its frames are redirected to "${target}" by`;
  throw new BindingError(
    'LINK_EXISTS',
    `Cannot wire "${tap}" to "${pod.ifname}": ${what} a ${rival.kind} filter at pref ${rival.pref} ` +
      "that is not this attachment's; remove it first",
  );
}

function requireMtu({ conf }: Attachment, pod: Link): number {
  if (conf.mtu !== null && conf.mtu > pod.mtu) {
    throw new BindingError(
      'INVALID_CONFIG',
      `Cannot read $.mtu: want at most ${pod.mtu}, the mtu of "${pod.ifname}", got ${conf.mtu}`,
    );
  }
  return conf.mtu ?? pod.mtu;
}

/** The guest's MAC is the pod link's, which is not ours to change. */
function requireMac({ conf }: Attachment, pod: Link): void {
  if (conf.mac === null || conf.mac === pod.mac) return;
  throw new BindingError(
    'INVALID_CONFIG',
    `Cannot give "${pod.ifname}" the MAC ${conf.mac}: it has ${pod.mac}; the plugin that makes the link must give it, ` +
      'and needs the capability "mac" for that',
  );
}

/** What DEL will have to take back: what an earlier, unfinished ADD wrote down, and what this one changes. */
function planRestore({ key }: Attachment, pod: Link, tap: Link | undefined, seen: Netns): Restore {
  const earlier =
    (tap && recordOf(tap, key)?.restore) ?? findOurFilter(pod.ifindex, key, seen)?.restore ?? undefined;
  return {
    clsact: earlier?.clsact || !hasIngressQdisc(pod.ifindex, seen),
    allmulti: earlier?.allmulti || needsAllmulti(pod),
  };
}

const needsAllmulti = (pod: Link): boolean => filtersMulticast(pod) && (pod.flags & IFF_ALLMULTI) === 0;

/** Deleting a new tap takes back all that is done to it; an earlier one is given its values back. */
function planTap(
  { tap: link, conf }: Attachment,
  tap: Link | undefined,
  mtu: number,
  ifalias: string,
): Step[] {
  if (tap === undefined) {
    const { multiQueue, owner, group } = conf;
    return [
      { do: { op: 'addTap', link, multiQueue, owner, group }, undo: { op: 'deleteLink', link } },
      { do: { op: 'setAlias', link, ifalias }, undo: null },
      { do: { op: 'persistTap', link }, undo: null },
      { do: { op: 'setAddrGenModeNone', link }, undo: null },
      { do: { op: 'setMtu', link, mtu }, undo: null },
      { do: { op: 'setUp', link, on: true }, undo: null },
    ];
  }
  const steps: Step[] = [];
  if (tap.ifalias !== null && tap.ifalias !== ifalias) {
    steps.push({
      do: { op: 'setAlias', link, ifalias },
      undo: { op: 'setAlias', link, ifalias: tap.ifalias },
    });
  }
  if (tap.mtu !== mtu) {
    steps.push({ do: { op: 'setMtu', link, mtu }, undo: { op: 'setMtu', link, mtu: tap.mtu } });
  }
  if ((tap.flags & IFF_UP) === 0) {
    steps.push({ do: { op: 'setAddrGenModeNone', link }, undo: null });
    steps.push({ do: { op: 'setUp', link, on: true }, undo: { op: 'setUp', link, on: false } });
  }
  return steps;
}

function planClsact(ifname: string, link: Link | undefined, seen: Netns): Step[] {
  if (link !== undefined && hasIngressQdisc(link.ifindex, seen)) return [];
  return [{ do: { op: 'addClsact', link: ifname }, undo: { op: 'deleteClsact', link: ifname } }];
}

function planAllmulti(pod: Link): Step[] {
  if (!needsAllmulti(pod)) return [];
  const op = { op: 'setAllmulti', link: pod.ifname } as const;
  return [{ do: { ...op, on: true }, undo: { ...op, on: false } }];
}

/** A redirect of ours that leads elsewhere (its target was deleted and made anew) is replaced. */
function planRedirect(
  { key }: Attachment,
  { from, to }: { readonly from: string; readonly to: string },
  restore: Restore,
  seen: Netns,
): Step[] {
  const source = findLink(from, seen);
  const earlier = source === undefined ? null : findOurFilter(source.ifindex, key, seen);
  if (earlier !== null && earlier.to === findLink(to, seen)?.ifindex) return [];

  const cookie = encodeCookie(key, restore);
  const add: Step = {
    do: { op: 'addRedirect', from, to, cookie },
    undo: { op: 'deleteRedirect', from, cookie },
  };
  if (earlier === null) return [add];
  const before = seen.links.find(({ ifindex }) => ifindex === earlier.to)?.ifname;
  const undo =
    before === undefined ? null : ({ op: 'addRedirect', from, to: before, cookie: earlier.cookie } as const);
  return [{ do: { op: 'deleteRedirect', from, cookie: earlier.cookie }, undo }, add];
}
