import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeRoutes, routerOf } from '../../../../../sidecar/services/dhcp4/classless-routes.ts';
import type { GuestRoute } from '../../../../../sidecar/services/guest-network.ts';

const test = suite('classless routes');

type Written = readonly [destination: string, gateway: string | null];

const routesOf = (written: readonly Written[]): readonly GuestRoute[] =>
  written.map(([destination, gateway]) => ({ destination, gateway }));

const encode = (address: string, prefixLength: number, written: readonly Written[]): string | undefined =>
  encodeRoutes({ address, prefixLength, routes: routesOf(written) })?.toString('hex');

test('encodeRoutes() writes a default route through a gateway in the prefix', () => {
  assert.is(encode('10.50.0.7', 24, [['default', '10.50.0.1']]), '000a320001');
});

test('encodeRoutes() writes a route to a gateway outside of a /32 before the routes through it', () => {
  assert.is(
    encode('10.50.0.7', 32, [
      ['default', '169.254.1.1'],
      ['10.2.0.0/16', '169.254.1.1'],
    ]),
    `20a9fe010100000000${'100a02a9fe0101'}${'00a9fe0101'}`,
  );
});

test('encodeRoutes() does not repeat a route to the gateway that the pod has itself', () => {
  assert.is(
    encode('10.50.0.7', 32, [
      ['default', '169.254.1.1'],
      ['169.254.1.1/32', null],
    ]),
    `20a9fe010100000000${'00a9fe0101'}`,
  );
});

test('encodeRoutes() finds a gateway in a larger prefix on the link', () => {
  assert.is(
    encode('10.50.0.7', 32, [
      ['10.60.0.0/16', null],
      ['default', '10.60.3.1'],
    ]),
    `100a3c00000000${'000a3c0301'}`,
  );
});

test('encodeRoutes() compares all bits of a prefix with a gateway, also the highest', () => {
  assert.is(encode('200.0.0.1', 25, [['default', '200.0.0.126']]), '00c800007e');
  assert.is(encode('200.0.0.1', 25, [['default', '200.0.0.129']]), `20c800008100000000${'00c8000081'}`);
  assert.is(encode('200.0.0.1', 1, [['default', '100.0.0.1']]), `206400000100000000${'0064000001'}`);
});

for (const [destination, hex] of [
  ['128.0.0.0/1', '0180'],
  ['10.0.0.0/8', '080a'],
  ['10.128.0.0/9', '090a80'],
  ['10.2.0.0/16', '100a02'],
  ['10.2.128.0/17', '110a0280'],
  ['10.2.3.0/24', '180a0203'],
  ['10.2.3.128/25', '190a020380'],
  ['10.2.3.4/32', '200a020304'],
] as const) {
  test(`encodeRoutes() writes only the significant bytes of ${destination}`, () => {
    assert.is(encode('10.50.0.7', 24, [[destination, '10.50.0.1']]), `${hex}0a320001`);
    assert.is(encode('10.50.0.7', 24, [[destination, null]]), `${hex}00000000`);
  });
}

test('encodeRoutes() has routes on the link first, then those through gateways, the default last', () => {
  assert.is(
    encode('10.50.0.7', 24, [
      ['default', '10.50.0.1'],
      ['10.2.0.0/16', '10.50.0.2'],
      ['10.3.0.0/16', null],
      ['10.4.0.0/16', '10.50.0.3'],
    ]),
    `100a0300000000${'100a020a320002'}${'100a040a320003'}${'000a320001'}`,
  );
});

test('encodeRoutes() writes a default route on the link last, and does not find gateways in it', () => {
  assert.is(
    encode('10.50.0.7', 24, [
      ['default', null],
      ['10.2.0.0/16', '10.60.0.1'],
    ]),
    `200a3c000100000000${'100a020a3c0001'}${'0000000000'}`,
  );
});

test('encodeRoutes() writes only the first of several default routes, as option 3 does', () => {
  const written: readonly Written[] = [
    ['default', '10.50.0.1'],
    ['default', '10.50.0.2'],
  ];
  assert.is(encode('10.50.0.7', 24, written), '000a320001');
  assert.is(routerOf(routesOf(written)), '10.50.0.1');
});

test('encodeRoutes() leaves out what is not a route of IPv4', () => {
  for (const written of [
    ['fd00::/64', null],
    ['10.2.0.0', '10.50.0.1'],
    ['10.2.0.0/33', '10.50.0.1'],
    ['10.2.0.0/016', '10.50.0.1'],
    ['10.2.0.0/', '10.50.0.1'],
    ['10.2.0.0/-1', '10.50.0.1'],
    ['10.2.0.0/8/8', '10.50.0.1'],
    ['10.2.0/8', '10.50.0.1'],
    ['default', 'fe80::1'],
    ['default', ''],
  ] as const) {
    assert.is(encode('10.50.0.7', 24, [written]), undefined, written.join(' via '));
  }
});

test('encodeRoutes() returns null without routes', () => {
  assert.is(encode('10.50.0.7', 24, []), undefined);
});

test('encodeRoutes() returns null for more routes than fit into a message', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i): Written => [`10.${i % 256}.0.0/16`, null]);
  assert.is(encode('10.50.0.7', 24, many(300))?.length, 300 * 7 * 2);
  assert.is(encode('10.50.0.7', 24, many(301)), undefined);
});

test('routerOf() returns the gateway of the default route', () => {
  assert.is(
    routerOf(
      routesOf([
        ['10.2.0.0/16', '10.50.0.2'],
        ['default', '10.50.0.1'],
      ]),
    ),
    '10.50.0.1',
  );
});

test('routerOf() returns null without a default route, or if it is on the link', () => {
  assert.is(routerOf([]), null);
  assert.is(routerOf(routesOf([['10.2.0.0/16', '10.50.0.2']])), null);
  assert.is(routerOf(routesOf([['default', null]])), null);
});

test.run();
