import { BindingError } from '../../../shared/errors.ts';
import { IFF_ALLMULTI, IFF_UP, type Link } from '../../../shared/rtnetlink/link.ts';
import { describeLinkOwner, findOurFilter, recordOf } from '../../plan/ours.ts';
import { findGap, findLink, hasIngressQdisc, type NetnsState } from '../../plan/seen.ts';
import type { TapConf } from '../../request/config.ts';
import type { Attachment } from './attachment.ts';
import { findConflicts } from './conflicts.ts';
import { findSilence, silenceTable } from './silence.ts';

/** An attachment, as far as it leaves traces. */
export interface Wired extends Omit<Attachment, 'conf'> {
  readonly conf: Pick<TapConf, 'owner' | 'group' | 'multiQueue'>;
}

/**
 * Everything that is not as ADD left it, in words, each with the link it is about; empty when all is well. Pure.
 *
 * What later plugins of a chain may change (the pod link's MAC, MTU, addresses) is not compared; the tap only has to fit.
 */
export function findDefects(attachment: Wired, seen: NetnsState): readonly string[] {
  const pod = findLink(attachment.podLink, seen);
  const tap = findLink(attachment.tap, seen);
  return [
    ...[findGap([attachment.podLink, attachment.tap], seen) ?? []].flat(),
    ...(tap === undefined ? [`tap "${attachment.tap}" is gone`] : tapDefects(tap, pod, attachment)),
    ...(pod === undefined ? [`pod link "${attachment.podLink}" is gone`] : podDefects(pod, tap, attachment)),
    ...recordDefects(pod, tap, attachment, seen),
    ...redirectDefects(pod, tap, attachment, seen),
    ...redirectDefects(tap, pod, attachment, seen),
    ...strayDefects([pod, tap], attachment, seen),
  ];
}

/** @throws {BindingError} WIRING_BROKEN that names every defect */
export function refuseDefects(
  defects: readonly string[],
  { podLink }: Attachment,
  { links }: NetnsState,
): void {
  if (defects.length === 0) return;
  throw new BindingError(
    'WIRING_BROKEN',
    `Cannot confirm the wiring of "${podLink}": ${defects.join('; ')}`,
    {
      details: `links seen: ${links.map(({ ifname }) => ifname).join(', ')}`,
    },
  );
}

function tapDefects(tap: Link, pod: Link | undefined, { key, conf }: Wired): string[] {
  const name = `tap "${tap.ifname}"`;
  const record = recordOf(tap, key);
  if (tap.tun === null || record === null) {
    return [`"${tap.ifname}" is ${describeLinkOwner(tap)}`];
  }
  const defects: string[] = [];
  const compare = (what: string, want: unknown, got: unknown) => {
    if (want !== got) defects.push(`${name} has ${what} ${got ?? 'none'} instead of ${want ?? 'none'}`);
  };
  compare('owner', conf.owner, tap.tun.owner);
  compare('group', conf.group, tap.tun.group);
  compare('multiQueue', conf.multiQueue, tap.tun.multiQueue);
  compare('persistence', true, tap.tun.persist);
  compare('mtu', record.mtu, tap.mtu);
  if (pod !== undefined && tap.mtu > pod.mtu) {
    defects.push(`${name} has mtu ${tap.mtu}, more than the ${pod.mtu} of "${pod.ifname}"`);
  }
  if ((tap.flags & IFF_UP) === 0) defects.push(`${name} is down`);
  return defects;
}

/** What the record does not say was not done by the ADD of this pod, perhaps one of an earlier version. */
function podDefects(pod: Link, tap: Link | undefined, { key }: Wired): string[] {
  const restore = tap === undefined ? undefined : recordOf(tap, key)?.restore;
  if (!restore?.allmulti || (pod.flags & IFF_ALLMULTI) !== 0) return [];
  return [`pod link "${pod.ifname}" has allmulticast off, so that the guest misses IPv6 neighbours`];
}

/** What only some versions do: an ADD is judged by its own record. */
function recordDefects(
  pod: Link | undefined,
  tap: Link | undefined,
  { key }: Wired,
  { nftables }: NetnsState,
): string[] {
  const record = tap === undefined ? null : recordOf(tap, key);
  if (pod === undefined || tap === undefined || record === null) return [];
  const { down, silence } = record.restore;
  const defects: string[] = [];
  if (down !== null && (pod.flags & IFF_UP) === 0) {
    defects.push(
      `pod link "${pod.ifname}" is down, so that no frame passes; set it up: ip link set ${pod.ifname} up`,
    );
  }
  // If the kernel does not tell its rules, nobody knows; a pod must not lose its addresses for that.
  const canTell = nftables.refusal === null;
  const table = silenceTable(key);
  if (silence && canTell && findSilence(table, [pod.ifname, tap.ifname], nftables) === null) {
    defects.push(
      `the pod's own stack is not silenced on "${pod.ifname}" any more: nftables tables "${table}" are gone ` +
        'or changed; restart the VM to have them added again',
    );
  }
  return defects;
}

/** Those that CHECK names; somebody in the pod could add thousands. */
const MAX_CONFLICTS = 4;

function redirectDefects(
  from: Link | undefined,
  to: Link | undefined,
  attachment: Wired,
  seen: NetnsState,
): string[] {
  if (from === undefined) return [];
  const target = from.ifname === attachment.tap ? attachment.podLink : attachment.tap;
  if (!hasIngressQdisc(from.ifindex, seen))
    return [`"${from.ifname}" has no clsact qdisc, so no redirect to "${target}"`];
  const filter = findOurFilter(from.ifindex, attachment.key, seen);
  const deadly = findConflicts(from, attachment.key, seen).filter(({ verdict }) => verdict === 'deadly');
  if (deadly.length > 0) {
    return deadly
      .slice(0, MAX_CONFLICTS)
      .map(({ what }) => `"${from.ifname}" has ${what} that takes its frames`);
  }
  if (filter === null) return [`"${from.ifname}" has no redirect to "${target}"`];
  if (to !== undefined && filter.to === to.ifindex) return [];
  const found = seen.links.find(({ ifindex }) => ifindex === filter.to);
  return [
    `"${from.ifname}" is redirected to ${found ? `"${found.ifname}"` : 'a link that is gone'} instead of "${target}"`,
  ];
}

/** Our redirect on a link that is no part of this attachment. */
function strayDefects(own: readonly (Link | undefined)[], { key }: Wired, seen: NetnsState): string[] {
  const strays = seen.links.filter(
    (link) => !own.includes(link) && findOurFilter(link.ifindex, key, seen) !== null,
  );
  return strays.map(({ ifname }) => `"${ifname}" is redirected as well`);
}
