import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  gatewayOf,
  guestAddressesOf,
  isLinkLocal,
  NO_FACTS,
  passageOf,
  pingGroups,
  requireAddresses,
} from '../../../../../cni/bindings/tap/guest-facts.ts';
import type { Address } from '../../../../../shared/rtnetlink/address.ts';
import type { Route } from '../../../../../shared/rtnetlink/route.ts';
import { caught } from '../../../../helpers/caught.ts';
import { attachmentOf, tapConf } from '../../../../helpers/pod/seen.ts';

const test = suite('what ADD must know of a guest');

const ALL = { guestAddresses: 'pod', spoofGuard: 'addresses' };
const LINK = { ifindex: 2 };

test('passageOf() serves IPv6 only if the pod link has it', () => {
  assert.equal(passageOf(tapConf(), NO_FACTS), { serves: false, ipv6: false, guard: 'off' });
  const withIpv6 = { ipv6: ['2001:db8::10'] };
  assert.equal(passageOf(tapConf(ALL), withIpv6), { serves: true, ipv6: true, guard: 'addresses' });
  assert.equal(passageOf(tapConf(ALL), NO_FACTS), { serves: true, ipv6: false, guard: 'addresses' });
  assert.equal(passageOf(tapConf({ spoofGuard: 'mac' }), withIpv6), {
    ...{ serves: false, ipv6: false, guard: 'mac' },
  });
});

test('passageOf() does not serve IPv6 at a tap whose MTU is too small for it', () => {
  const withIpv6 = { ipv6: ['2001:db8::10'] };
  assert.is(passageOf(tapConf({ ...ALL, mtu: 1279 }), withIpv6).ipv6, false);
  assert.is(passageOf(tapConf({ ...ALL, mtu: 1280 }), withIpv6).ipv6, true);
});

test('pingGroups() lists the group of the sidecar and that of who asks, or nobody if all may ping', () => {
  assert.equal(pingGroups({ group: 107 }, { asker: null }), [107]);
  assert.equal(pingGroups({ group: 107 }, { asker: 0 }), [107, 0]);
  assert.is(pingGroups({ group: null }, { asker: 0 }), null);
});

const address = (local: string, changes: Partial<Address> = {}): Address => ({
  ...{ ifindex: 2, family: local.includes(':') ? 'inet6' : 'inet', local, prefixLength: 24 },
  ...{ scope: 'global', isTentative: false, isPermanent: true },
  ...changes,
});

test('guestAddressesOf() lists the addresses of the link that a guest can use, in their order', () => {
  const addresses = [
    address('192.0.2.10'),
    address('192.0.2.9'),
    address('127.0.0.2', { scope: 'host' }),
    address('169.254.9.9', { scope: 'link' }),
    address('192.0.2.11', { ifindex: 3 }),
    address('2001:db8::10'),
    address('fe80::1', { scope: 'link' }),
    address('2001:db8::11', { isTentative: true }),
    address('2001:db8::12', { isPermanent: false }),
  ];
  assert.equal(guestAddressesOf(LINK, 'inet', addresses), ['192.0.2.10', '192.0.2.9', '169.254.9.9']);
  assert.equal(guestAddressesOf(LINK, 'inet6', addresses), ['2001:db8::10', '2001:db8::11']);
  assert.equal(guestAddressesOf({ ifindex: 9 }, 'inet', addresses), []);
});

test('gatewayOf() finds the gateway of the default route of IPv6 on this link', () => {
  const route = (changes: Partial<Route>): Route =>
    ({ family: 'inet6', destination: 'default', gateway: 'fe80::1', link: 2, ...changes }) as Route;
  assert.is(gatewayOf(LINK, [route({})]), 'fe80::1');
  for (const changes of [
    { family: 'inet' },
    { destination: '2001:db8::/64' },
    { link: 3 },
    { gateway: null },
    { protocol: 9 }, // of a router advertisement
  ] as const)
    assert.is(gatewayOf(LINK, [route(changes)]), null, JSON.stringify(changes));
  assert.is(gatewayOf(LINK, [route({ link: 3 }), route({ gateway: '2001:db8::1' })]), '2001:db8::1');
});

test('isLinkLocal() knows the addresses that need no question', () => {
  assert.equal(['fe80::1', '2001:db8::1', 'fd00::fe80'].map(isLinkLocal), [true, false, false]);
});

const many = (count: number) => Array.from({ length: count }, (_, i) => `192.0.2.${i}`);
for (const [why, facts, message] of [
  [
    'no addresses',
    {},
    /^Cannot guard "eth0": it has no addresses .*; add "ipam" .*, or set "spoofGuard": "mac"$/,
  ],
  [
    '17 addresses of IPv4',
    { ipv4: many(17), ipv6: ['2001:db8::1'] },
    'Cannot guard "eth0": it has 17 addresses of one family, want at most 16; set "spoofGuard": "mac"',
  ],
  ['17 addresses of IPv6', { ipv6: many(17) }, /it has 17 addresses of one family/],
] as const) {
  test(`requireAddresses() rejects a guard of a link with ${why}, and no other guard`, async () => {
    const error = await caught(() => requireAddresses(attachmentOf(ALL), { ...NO_FACTS, ...facts }));
    assert.is(error.code, 'LINK_UNSUPPORTED');
    assert.match(error.message, message);
    for (const spoofGuard of ['off', 'mac'])
      requireAddresses(attachmentOf({ ...ALL, spoofGuard }), { ...NO_FACTS, ...facts });
  });
}

test('requireAddresses() accepts addresses of one family, and as many as there may be', () => {
  for (const facts of [{ ipv4: many(1) }, { ipv6: many(1) }, { ipv4: many(16), ipv6: many(16) }])
    requireAddresses(attachmentOf(ALL), { ...NO_FACTS, ...facts });
});

test.run();
