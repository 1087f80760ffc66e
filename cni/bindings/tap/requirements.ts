/** Requirements that ADD verifies before it changes anything. */
import { BindingError } from '../../../shared/errors.ts';
import type { Link } from '../../../shared/rtnetlink/link.ts';
import { REDIRECT_PREF } from '../../plan/op.ts';
import { describeLinkOwner } from '../../plan/ours.ts';
import type { Attachment } from './attachment.ts';
import type { End, Ends } from './ends.ts';
import { FLOOR_OPTIONS } from './floor.ts';
import { SILENCE_OPTIONS } from './silence.ts';

/** Returns our tap, or null if its name is free. @throws {BindingError} LINK_EXISTS */
export function requireOurTap({ podLink, tap, conf }: Attachment, { tap: end }: Ends): End | null {
  if (end === null) return null;
  const { link, record } = end;
  if (link.tun === null || record === null) {
    throw new BindingError(
      'LINK_EXISTS',
      `Cannot add tap "${tap}": that name is taken by ${describeLinkOwner(link)}`,
    );
  }
  if (record.podLink !== podLink) {
    throw new BindingError(
      'LINK_EXISTS',
      `Cannot add tap "${tap}" for "${podLink}": it exists for "${record.podLink}"; DEL it first`,
    );
  }
  const { owner, group, multiQueue } = link.tun;
  if (owner !== conf.owner || group !== conf.group || multiQueue !== conf.multiQueue) {
    throw new BindingError(
      'LINK_EXISTS',
      `Cannot add tap "${tap}": it exists with another owner, group or multiQueue; DEL it first, a VM may be using it`,
    );
  }
  return end;
}

/**
 * Rejects a pod link or tap whose filters the kernel cannot list: one of them may take the frames.
 */
export function requireFilters({ podLink, tap }: Attachment, { gap }: Ends): void {
  if (gap !== null) throw new BindingError('KERNEL_REFUSED', `Cannot wire "${tap}" to "${podLink}": ${gap}`);
}

/**
 * Rejects filters and programs on the pod link that are known to take its frames, or have our
 * filter's place.
 */
export function refuseConflicts({ podLink, tap }: Attachment, { qdisc, conflicts }: End): void {
  if (qdisc?.isShared) {
    throw new BindingError(
      'LINK_UNSUPPORTED',
      `Cannot wire "${tap}" to "${podLink}": its ingress qdisc shares a filter block with other links, ` +
        'which would be redirected as well',
    );
  }
  const conflict = conflicts.find(({ verdict }) => verdict === 'deadly');
  if (conflict === undefined) return;
  const { what, to, pref, removal } = conflict;
  const taking = to === null ? 'there is' : `its frames are redirected to "${to}" by`;
  const reason =
    to !== null || pref === REDIRECT_PREF
      ? `${taking} ${what} that is not this attachment's; remove it first`
      : `${what} keeps its frames from the guest; remove it first, in the pod's netns: ${removal}`;
  throw new BindingError('LINK_EXISTS', `Cannot wire "${tap}" to "${podLink}": ${reason}`);
}

/**
 * Rejects a kernel without nf_tables if something must be dropped: without it, the pod's own stack
 * would get what the guest may not send.
 *
 * @throws {BindingError} KERNEL_UNSUPPORTED; TRY_AGAIN if only the kernel's reply was lost
 */
export function requireNftables({ podLink, conf }: Attachment, { silence }: Ends): void {
  if (silence.refusal === null) return;
  const key =
    conf.guestAddresses === 'pod' ? 'guestAddresses' : conf.spoofGuard === 'off' ? null : 'spoofGuard';
  if (key === null) return;
  const refused = `Cannot wire "${podLink}" with "${key}": "${conf[key]}": ${silence.refusal}`;
  if (silence.refusal.startsWith('receive from netlink')) {
    throw new BindingError('TRY_AGAIN', `${refused}; try again`);
  }
  throw new BindingError(
    'KERNEL_UNSUPPORTED',
    `${refused}; this kernel needs ${SILENCE_OPTIONS}, ${FLOOR_OPTIONS}`,
  );
}

/** Warns of filters and programs that may keep frames from the guest. Pure. */
export const conflictWarnings = ({ link, conflicts }: End): readonly string[] =>
  conflicts
    .filter(({ verdict }) => verdict === 'unknown')
    .slice(0, MAX_WARNINGS)
    .map(
      ({ what }) =>
        `"${link.ifname}" has ${what}, which may keep frames from the guest; if the guest gets none, let it pass them on ` +
        '(TC_ACT_UNSPEC, TCX_NEXT, XDP_PASS) or remove it',
    );

const MAX_WARNINGS = 4;

export function requireMtu({ conf }: Attachment, pod: Link): number {
  if (conf.mtu !== null && conf.mtu > pod.mtu) {
    throw new BindingError(
      'INVALID_CONFIG',
      `Cannot read $.mtu: want at most ${pod.mtu}, the mtu of "${pod.ifname}", got ${conf.mtu}`,
    );
  }
  return conf.mtu ?? pod.mtu;
}

/**
 * Requires that the pod link has the configured MAC, which the guest gets. Tapwire does not change
 * it.
 */
export function requireMac({ conf }: Attachment, pod: Link): void {
  if (conf.mac === null || conf.mac === pod.mac) return;
  throw new BindingError(
    'INVALID_CONFIG',
    `Cannot wire "${pod.ifname}": it has ${pod.mac} as its MAC, want ${conf.mac}; ` +
      'add "capabilities": {"mac": true} to the plugin that creates the link',
  );
}
