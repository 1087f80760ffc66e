import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findUse } from '../../../../cni/kernel/lower-device.ts';
import type { Address } from '../../../../shared/rtnetlink/address.ts';
import type { Route } from '../../../../shared/rtnetlink/route.ts';
import { linkOf } from '../../../helpers/pod/seen.ts';

const test = suite('findUse()');

const UPLINK = linkOf(2, 'uplink0', { kind: null });
const addressOf = (changes: Partial<Address> = {}): Address =>
  ({
    ifindex: 2,
    family: 'inet',
    local: '192.0.2.1',
    prefixLength: 24,
    scope: 'global',
    isTentative: false,
    isPermanent: true,
    ...changes,
  }) as Address;
const routeOf = (changes: Partial<Route> = {}): Route =>
  ({ destination: 'default', link: 2, ...changes }) as Route;

for (const [why, addresses, routes, want] of [
  ['nothing', [], [], null],
  ['an address', [addressOf()], [], 'it has address 192.0.2.1/24'],
  [
    'an IPv6 address',
    [addressOf({ family: 'inet6', local: '2001:db8::1', prefixLength: 64 })],
    [],
    'it has address 2001:db8::1/64',
  ],
  [
    'a link-local IPv4 address',
    [addressOf({ local: '169.254.0.1', scope: 'link' })],
    [],
    'it has address 169.254.0.1/24',
  ],
  [
    'the IPv6 link-local address of every link',
    [addressOf({ family: 'inet6', local: 'fe80::1', scope: 'link' })],
    [],
    null,
  ],
  ['the address of another link', [addressOf({ ifindex: 3 })], [], null],
  ['the default route', [], [routeOf()], 'the default route leads through it'],
  [
    'a default route with several next hops',
    [],
    [routeOf({ link: null })],
    'the default route leads through it',
  ],
  ['the default route of another link', [], [routeOf({ link: 3 })], null],
  ['a route to a network', [], [routeOf({ destination: '192.0.2.0/24' })], null],
] as const) {
  test(`a device has ${why}`, () => assert.is(findUse(UPLINK, addresses, routes), want));
}

test('a device may belong to a bridge', () =>
  assert.is(findUse({ ...UPLINK, master: 9 }, [], []), 'it belongs to a bridge or bond'));

test.run();
