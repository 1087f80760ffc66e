import { BindingError } from '../../../shared/errors.ts';
import { listSome } from '../../../shared/list-some.ts';
import { IFF_ALLMULTI, IFF_UP } from '../../../shared/rtnetlink/link.ts';
import { describeLinkOwner } from '../../plan/ours.ts';
import type { TapConf } from '../../request/config.ts';
import type { Attachment } from './attachment.ts';
import type { End, Ends } from './ends.ts';
import { type NetnsFacts, passageDefects } from './passage-defects.ts';
import { silenceTable } from './silence.ts';

/**
 * The parts of an attachment that a check needs. `tapwire inspect` reads all of them from the
 * netns.
 */
export interface Wired extends Omit<Attachment, 'conf'> {
  readonly conf: Pick<TapConf, 'owner' | 'group' | 'multiQueue'>;
}

/**
 * Describes every difference from the state that ADD left, and names the link of each. Empty if
 * there is none. Pure.
 *
 * Does not compare the MAC, MTU and addresses of the pod link, which later plugins of a chain may
 * change. Only requires that the tap's MTU does not exceed the pod link's. prev-result-claims.ts
 * compares the claims of prevResult.
 *
 * @param netns null: not read, because nothing of it matters for this attachment
 */
export function findDefects(
  attachment: Wired,
  ends: Ends,
  netns: NetnsFacts | null = null,
): readonly string[] {
  const { podLink, tap: tapName } = attachment;
  const { pod, tap, gap, strays } = ends;
  return [
    ...(gap === null ? [] : [gap]),
    ...(tap === null ? [`tap "${tapName}" is gone`] : tapDefects(tap, pod, attachment)),
    ...(pod === null ? [`pod link "${podLink}" is gone`] : podDefects(pod, tap)),
    ...recordDefects(attachment, ends),
    ...passageDefects(ends, netns),
    ...(pod === null ? [] : redirectDefects(pod, tap, tapName)),
    ...(tap === null ? [] : redirectDefects(tap, pod, podLink)),
    ...strays.slice(0, MAX_CONFLICTS).map((ifname) => `"${ifname}" is redirected as well`),
  ];
}

/** @throws {BindingError} WIRING_BROKEN that names every defect */
export function refuseDefects(defects: readonly string[], { podLink }: Attachment, { links }: Ends): void {
  if (defects.length === 0) return;
  throw new BindingError(
    'WIRING_BROKEN',
    `Cannot confirm the wiring of "${podLink}": ${listSome(defects, '; ')}`,
    {
      details: `links seen: ${listSome(links.map(({ ifname }) => ifname))}`,
    },
  );
}

function tapDefects({ link: tap, record }: End, pod: End | null, { conf }: Wired): string[] {
  const name = `tap "${tap.ifname}"`;
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
  if (pod !== null && tap.mtu > pod.link.mtu) {
    defects.push(`${name} has mtu ${tap.mtu}, more than the ${pod.link.mtu} of "${pod.link.ifname}"`);
  }
  if ((tap.flags & IFF_UP) === 0) defects.push(`${name} is down`);
  return defects;
}

/**
 * Checks allmulticast only if the record says that ADD turned it on: the ADD of an earlier version
 * may not have done so.
 */
function podDefects({ link }: End, tap: End | null): string[] {
  if (!tap?.record?.restore.allmulti || (link.flags & IFF_ALLMULTI) !== 0) return [];
  return [
    `pod link "${link.ifname}" has allmulticast off, so the guest does not receive IPv6 neighbour solicitations`,
  ];
}

/**
 * Checks what only newer versions of ADD ensure: that the pod link is up, and that the pod's own
 * stack is silenced. Checks each only if the record shows that the ADD of this attachment ensured
 * it.
 */
function recordDefects({ key, podLink }: Wired, { pod, tap, silence: seen }: Ends): string[] {
  const record = tap?.record ?? null;
  if (pod === null || record === null) return [];
  const { down, silence } = record.restore;
  const defects: string[] = [];
  if (down !== null && (pod.link.flags & IFF_UP) === 0) {
    defects.push(
      `pod link "${podLink}" is down, so that no frame passes; set it up: ip link set ${podLink} up`,
    );
  }
  // If the kernel does not list its rules, they may still exist. That alone is not a defect: a pod
  // must not lose its addresses because of it.
  if (silence && seen.refusal === null && seen.dropped === null) {
    defects.push(
      `the pod's own stack is not silenced on "${podLink}" any more: nftables tables "${silenceTable(key)}" are gone ` +
        'or changed; restart the VM to have them added again',
    );
  }
  return defects;
}

/** Number of conflicts that CHECK names: a process in the pod could add thousands. */
const MAX_CONFLICTS = 4;

/** @param target name of the link to which frames should go */
function redirectDefects(from: End, to: End | null, target: string): string[] {
  const { link, qdisc, redirect, conflicts } = from;
  if (qdisc === null) return [`"${link.ifname}" has no clsact qdisc, so no redirect to "${target}"`];
  const deadly = conflicts.filter(({ verdict }) => verdict === 'deadly');
  if (deadly.length > 0) {
    return deadly
      .slice(0, MAX_CONFLICTS)
      .map(({ what }) => `"${link.ifname}" has ${what} that takes its frames`);
  }
  if (redirect === null) return [`"${link.ifname}" has no redirect to "${target}"`];
  if (to !== null && redirect.to === to.link.ifindex) return [];
  const found = redirect.target === null ? 'a link that is gone' : `"${redirect.target.ifname}"`;
  return [`"${link.ifname}" is redirected to ${found} instead of "${target}"`];
}
