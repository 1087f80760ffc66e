import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gatewayOf, guestAddressesOf, isLinkLocal, toldRouterOf } from '../../../shared/pod-network.ts';
import type { Address } from '../../../shared/rtnetlink/address.ts';
import type { Neighbour } from '../../../shared/rtnetlink/neighbour.ts';
import type { Route } from '../../../shared/rtnetlink/route.ts';

const test = suite("the guest's part in the pod's network");

const LINK = { ifindex: 2 };

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
  const localsOf = (link: { ifindex: number }, family: Address['family']) =>
    guestAddressesOf(link, family, addresses).map(({ local }) => local);
  assert.equal(localsOf(LINK, 'inet'), ['192.0.2.10', '192.0.2.9', '169.254.9.9']);
  assert.equal(localsOf(LINK, 'inet6'), ['2001:db8::10', '2001:db8::11']);
  assert.equal(localsOf({ ifindex: 9 }, 'inet'), []);
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

test('toldRouterOf() finds the permanent link-local neighbour, which only ADD makes', () => {
  const neighbour = (given: string, state: number): Neighbour => ({
    ...{ ifindex: 2, address: given, mac: '02:00:00:00:00:01', state },
  });
  const router = neighbour('fe80::1', 0x80);
  assert.is(toldRouterOf([neighbour('2001:db8::1', 0x80), neighbour('fe80::2', 2), router]), router);
  assert.is(toldRouterOf([neighbour('fe80::2', 2)]), undefined);
});

test.run();
