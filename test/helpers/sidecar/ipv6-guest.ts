import {
  type GuestIpv6,
  type GuestNetwork,
  NO_DHCP_OPTIONS,
} from '../../../sidecar/services/guest-network.ts';

export const IPV6: GuestIpv6 = {
  addresses: ['fd00:1::5'],
  router: 'fe80::1',
  isDefaultRouter: true,
  routes: [],
  onLink: [],
};

/** A guest with IPv6 only, of which its pod knows nothing else. */
export const IPV6_GUEST: GuestNetwork = {
  mtu: 1400,
  hostname: 'vm',
  domain: null,
  searchDomains: [],
  nameservers: [],
  ipv4: null,
  ipv6: IPV6,
  options: NO_DHCP_OPTIONS,
};

/** `IPV6_GUEST` with another IPv6. */
export const guestWith = (ipv6: Partial<GuestIpv6>): GuestNetwork => ({
  ...IPV6_GUEST,
  ipv6: { ...IPV6, ...ipv6 },
});

/** Search domains of all kinds, and the encoded ones of those that are names (RFC 1035). */
export const ODD_DOMAINS = ['', '.', 'a..b', '10', `${'x'.repeat(64)}.y`, 'é.', ' ', 'ok.example.', '-'];
export const ODD_DOMAINS_ENCODED = ['02313000', '02c3a900', '012000', '026f6b076578616d706c6500', '012d00'];
