/** What ADD must know of a pod to serve and guard its guest. */
import { BindingError } from '../../../shared/errors.ts';
import type { Sysctls } from '../../../shared/netns/part.ts';
import type { Passage } from '../../../shared/record.ts';
import type { TapConf } from '../../request/config.ts';
import type { Attachment } from './attachment.ts';

export interface GuestFacts {
  /** Addresses of the pod link, which the guest gets. */
  readonly ipv4: readonly string[];
  /** Without link-local ones. */
  readonly ipv6: readonly string[];
  /** The gateway of IPv6 as the guest must see it; null if it is unknown, or there is none. */
  readonly router: GuestRouter | null;
  /** Addresses of the tap. */
  readonly ofTap: readonly string[];
  readonly sysctls: Sysctls;
  /** Gid of this process, if it asked for the router; null: it did not. */
  readonly asker: number | null;
}

export interface GuestRouter {
  /** Link-local. */
  readonly address: string;
  /** Null: the routes name the address, so nobody asked. */
  readonly mac: string | null;
  /** Whether it is a neighbour of the tap, where the sidecar looks. */
  readonly isTold: boolean;
}

/** Without facts: for an attachment that needs none. */
export const NO_FACTS: GuestFacts = {
  ipv4: [],
  ipv6: [],
  router: null,
  ofTap: [],
  sysctls: { 'net.ipv4.ip_unprivileged_port_start': '', 'net.ipv4.ping_group_range': '' },
  asker: null,
};

/** Least MTU of a link in bytes with which the kernel lets it have IPv6 (RFC 8200). */
const MIN_IPV6_MTU = 1280;

/** What ADD arranges. Pure. */
export const passageOf = (
  { guestAddresses, spoofGuard, mtu }: Pick<TapConf, 'guestAddresses' | 'spoofGuard' | 'mtu'>,
  { ipv6 }: Pick<GuestFacts, 'ipv6'>,
): Passage => ({
  serves: guestAddresses === 'pod',
  ipv6: guestAddresses === 'pod' && ipv6.length > 0 && (mtu === null || mtu >= MIN_IPV6_MTU),
  guard: spoofGuard,
});

/** Groups that ping: the sidecar's, which sends router advertisements so, and who asks routers. */
export const pingGroups = ({ group }: Pick<TapConf, 'group'>, { asker }: Pick<GuestFacts, 'asker'>) =>
  group === null ? null : [group, ...(asker === null ? [] : [asker])];

/** Addresses per family for which there are rules: more would make ADD and each frame slow. */
export const MAX_ADDRESSES = 16;

/**
 * Rejects a pod link whose addresses no guard can list.
 *
 * @throws {BindingError} LINK_UNSUPPORTED
 */
export function requireAddresses({ podLink, conf }: Attachment, { ipv4, ipv6 }: GuestFacts): void {
  if (conf.spoofGuard !== 'addresses') return;
  const count = Math.max(ipv4.length, ipv6.length);
  if (count > 0 && count <= MAX_ADDRESSES) return;
  throw new BindingError(
    'LINK_UNSUPPORTED',
    count === 0
      ? `Cannot guard "${podLink}": it has no addresses that the guest could use; add "ipam" to the plugin that creates it, ` +
          'or set "spoofGuard": "mac"'
      : `Cannot guard "${podLink}": it has ${count} addresses of one family, want at most ${MAX_ADDRESSES}; set "spoofGuard": "mac"`,
  );
}
