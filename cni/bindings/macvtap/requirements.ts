/** Requirements that ADD verifies before it changes anything. */
import { show } from '../../../shared/decode.ts';
import { BindingError } from '../../../shared/errors.ts';
import type { MacvtapRecord } from '../../../shared/record.ts';
import { ARPHRD_ETHER, IFF_UP, type Link } from '../../../shared/rtnetlink/link.ts';
import { macvtapModeOf } from '../../../shared/rtnetlink/macvtap.ts';
import type { Lower } from '../../kernel/lower-device.ts';
import { describeLinkOwner, isUnfinishedMacvtap, recordOf } from '../../plan/ours.ts';
import type { MacvtapConf } from '../../request/config.ts';
import type { Place } from './lower.ts';

/**
 * Requires a name that the kernel takes as it is, and that names one directory of
 * /proc/sys/net/ipv6/conf: it replaces "%d" by a number, and "all" and "default" stand for any
 * link.
 *
 * @throws {BindingError} INVALID_ENVIRONMENT
 */
export function requireIfname(ifname: string): void {
  if (!['all', 'default', 'lo'].includes(ifname) && /^[!-$&-~]+$/.test(ifname)) return;
  throw new BindingError(
    'INVALID_ENVIRONMENT',
    `Cannot add macvtap ${show(ifname)}: want a name of printable ASCII characters without "%", not all, default or lo; ` +
      'KubeVirt names it pod and a hash',
  );
}

/**
 * Returns the lower device. Rejects one that cannot carry a guest's frames, or that the node needs.
 *
 * @throws {BindingError} LINK_MISSING, LINK_UNSUPPORTED, NOT_ALLOWED
 */
export function requireLower(ifname: string, { entry, path }: Place, lower: Lower | null): Link {
  const { lowerDevice, mode } = entry;
  const subject = `Cannot add macvtap "${ifname}" on "${lowerDevice}"`;
  if (lower === null) {
    throw new BindingError(
      'LINK_MISSING',
      `${subject}: this node has no such link; ${path}.lowerDevice of the node policy file names it`,
    );
  }
  if (lower.link.type !== ARPHRD_ETHER) {
    const kind = lower.link.kind ?? `ARPHRD ${lower.link.type}`;
    throw new BindingError('LINK_UNSUPPORTED', `${subject}: it does not carry Ethernet frames (${kind})`);
  }
  if (mode === 'passthru' && lower.use !== null) {
    throw new BindingError(
      'NOT_ALLOWED',
      `${subject}: in mode "passthru" a VM takes all of the device, but ${lower.use}; use mode "bridge", or another device`,
    );
  }
  return lower.link;
}

/** Returns the MTU of the guest. @throws {BindingError} INVALID_CONFIG */
export function requireMtu({ mtu }: MacvtapConf, lower: Link): number {
  if (mtu === null || mtu <= lower.mtu) return mtu ?? lower.mtu;
  throw new BindingError(
    'INVALID_CONFIG',
    `Cannot read $.mtu: want at most ${lower.mtu}, the mtu of "${lower.ifname}", got ${mtu}`,
  );
}

/** What ADD found at the name and at the index of the macvtap. */
export type Earlier = 'none' | 'unfinished' | Link;

/**
 * Decides what an earlier ADD of this attachment left. Rejects any other link in its place.
 *
 * @throws {BindingError} LINK_EXISTS
 */
export function requireOurLink(wanted: MacvtapRecord, ifindex: number, links: readonly Link[]): Earlier {
  const { key } = wanted;
  const subject = `Cannot add macvtap "${key.ifname}"`;
  const link = links.find(({ ifname }) => ifname === key.ifname);
  if (link === undefined) {
    const other = links.find((one) => one.ifindex === ifindex);
    if (other === undefined) return 'none';
    throw new BindingError(
      'LINK_EXISTS',
      `${subject}: its interface index ${ifindex} is that of "${other.ifname}", ${describeLinkOwner(other)}`,
    );
  }
  if (isUnfinishedMacvtap(link, key)) return 'unfinished';
  const record = recordOf(link, key);
  if (record?.binding !== 'macvtap') {
    throw new BindingError('LINK_EXISTS', `${subject}: that name is taken by ${describeLinkOwner(link)}`);
  }
  // Later plugins may have changed the link's MAC and MTU, but none changes its mode.
  const found = { ...record, mode: macvtapModeOf(link.macvtap?.mode) };
  const different: string[] = (Object.keys(wanted) as (keyof MacvtapRecord)[]).filter(
    (name) => name !== 'key' && wanted[name] !== found[name],
  );
  if (link.ifindex !== ifindex) different.push('ifindex');
  if (different.length === 0) return link;
  throw new BindingError(
    'LINK_EXISTS',
    `${subject}: it exists with another ${different.join(', ')}; DEL it first, a VM may be using it`,
  );
}

/** What an administrator should know although ADD succeeds. */
export function findWarnings(
  ifname: string,
  { entry, path }: Place,
  { device }: MacvtapConf,
  lower: Link,
): string[] {
  const warnings: string[] = [];
  if ((lower.flags & IFF_UP) === 0 || !lower.hasCarrier) {
    warnings.push(
      `"${ifname}" is on "${lower.ifname}", which is ${(lower.flags & IFF_UP) === 0 ? 'down' : 'without carrier'}: no frame passes until it is up`,
    );
  }
  if (device === null) {
    warnings.push(
      `"${ifname}" has no device plugin (${path}), so no VM of KubeVirt can open its device node; ` +
        `for VMs, offer "${entry.lowerDevice}" in $.macvtap.resources`,
    );
  }
  return warnings;
}
