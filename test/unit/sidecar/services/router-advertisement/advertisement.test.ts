import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GuestNetwork } from '../../../../../sidecar/services/guest-network.ts';
import {
  encodeAdvertisement,
  ROUTER_LIFETIME,
} from '../../../../../sidecar/services/router-advertisement/advertisement.ts';
import { addressHex, u16 } from '../../../../helpers/pod/packets.ts';
import { guestWith, IPV6_GUEST, ODD_DOMAINS } from '../../../../helpers/sidecar/ipv6-guest.ts';

const test = suite('encodeAdvertisement()');

/** Bytes before the options. */
const HEADER = 16;
const SOURCE = `fd03000000000000${addressHex('fe80::1')}`;
const MTU = '0501000000000578';
/** 1800 seconds. */
const LIFETIME = '00000708';
const DOMAINS_OPTION = 31;

const encode = (network: GuestNetwork, validity?: number): string =>
  encodeAdvertisement('fe80::1', ROUTER_LIFETIME, network, validity).toString('hex');

/** The options after the source and the MTU. */
function optionsOf(network: GuestNetwork, validity?: number): string[] {
  let left = encode(network, validity).slice(2 * HEADER);
  const options: string[] = [];
  while (left !== '') {
    const end = 16 * Number.parseInt(left.slice(2, 4), 16);
    assert.ok(end > 0 && end <= left.length, `an option ends in the message: ${left}`);
    options.push(left.slice(0, end));
    left = left.slice(end);
  }
  assert.equal(options.slice(0, 2), [SOURCE, MTU]);
  return options.slice(2);
}

test('is an echo request with the lifetime of the router, its address first, and the MTU', () =>
  assert.is(encode(IPV6_GUEST), `8000000000000708${'00'.repeat(8)}${SOURCE}${MTU}`));

test('has the lifetime 0 of a router that is not for all destinations', () =>
  assert.is(encodeAdvertisement('fe80::1', 0, IPV6_GUEST).toString('hex', 4, 8), '00000000'));

test('has the address of the given router, not that of the network', () =>
  assert.is(encodeAdvertisement('fe80::2', 0, IPV6_GUEST).toString('hex', 24, 40), addressHex('fe80::2')));

const prefix = (seconds: string) => `03044080${seconds}${seconds}00000000${addressHex('fd00:1::')}`;
const route = (seconds: string) => `18023000${seconds}fd00000200000000`;
const dns = (seconds: string) => `19050000${seconds}${addressHex('fd00::a')}${addressHex('fd00::b')}`;
const search = (seconds: string) => `1f030000${seconds}0161026e730006636f6d6d6f6e000000`;

test('says which prefix is on the link, but not for addresses', () =>
  assert.equal(optionsOf(guestWith({ onLink: ['fd00:1::/64'] })), [prefix(LIFETIME)]));

for (const [why, destination, want] of [
  ['64 bits or less', 'fd00:2::/48', `18023000${LIFETIME}fd00000200000000`],
  ['64 bits', 'fd00:2:0:1::/64', `18024000${LIFETIME}fd00000200000001`],
  ['65 bits', 'fd00:2:0:0:8000::/65', `18034100${LIFETIME}${addressHex('fd00:2:0:0:8000::')}`],
  ['more than 64 bits', 'fd00:2::8/125', `18037d00${LIFETIME}${addressHex('fd00:2::8')}`],
  ['no bits', '::/0', `18010000${LIFETIME}`],
] as const) {
  test(`says which destination of ${why} is behind the router`, () =>
    assert.equal(optionsOf(guestWith({ routes: [destination] })), [want]));
}

test('has the DNS servers with IPv6 addresses', () =>
  assert.equal(
    optionsOf({ ...IPV6_GUEST, nameservers: ['fd00::a', '10.0.0.1', 'fe80::1%eth0', 'fd00::b'] }),
    [dns(LIFETIME)],
  ));

test('has no option for DNS servers with IPv4 addresses only', () =>
  assert.equal(optionsOf({ ...IPV6_GUEST, nameservers: ['10.0.0.1'] }), []));

test('has the search domains that are names', () =>
  assert.equal(optionsOf({ ...IPV6_GUEST, searchDomains: ['a.ns', '', 'a..b', 'x'.repeat(64)] }), [
    `1f020000${LIFETIME}0161026e73000000`,
  ]));

test('has no option for search domains of which none is a name', () =>
  assert.equal(optionsOf({ ...IPV6_GUEST, searchDomains: ['', 'a..b'] }), []));

const FULL: GuestNetwork = {
  ...guestWith({ onLink: ['fd00:1::/64'], routes: ['fd00:2::/48'] }),
  nameservers: ['fd00::a', 'fd00::b'],
  searchDomains: ['a.ns', 'common'],
};
const all = (seconds: string) => [prefix(seconds), route(seconds), dns(seconds), search(seconds)];

test('has all options in the order of their importance', () => assert.equal(optionsOf(FULL), all(LIFETIME)));

test('takes all that it says from the guest if it is valid for 0 seconds', () =>
  assert.equal(optionsOf(FULL, 0), all('00000000')));

const many = (count: number, of: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => of(i));
const lengthOf = (network: GuestNetwork): number => encode(network).length / 2;
/** Bytes behind the IPv6 header of a packet of 1280 bytes. */
const MOST = 1240;

for (const [why, network, least] of [
  ['prefixes', guestWith({ onLink: many(1000, (i) => `fd00:${i}::/64`) }), MOST - 31],
  ['routes', guestWith({ routes: many(1000, (i) => `fd00:${i}::/48`) }), MOST - 15],
  ['DNS servers', { ...IPV6_GUEST, nameservers: many(1000, (i) => `fd00::${i}`) }, MOST - 15],
  ['search domains', { ...IPV6_GUEST, searchDomains: many(1000, (i) => `d${i}.example`) }, MOST - 15],
] as const) {
  test(`has as many ${why} as fit`, () => {
    const length = lengthOf(network);
    assert.ok(length >= least && length <= MOST, `${length} bytes`);
    optionsOf(network);
  });
}

test('leaves out search domains before DNS servers, and these before routes', () => {
  const crowded = { ...FULL, searchDomains: many(1000, (i) => `d${i}.example`) };
  assert.equal(optionsOf(crowded).slice(0, 3), all(LIFETIME).slice(0, 3));
  const routes = many(100, (i) => `fd00:${i}::/48`);
  const kinds = optionsOf({ ...crowded, ...guestWith({ routes }), nameservers: ['fd00::a'] });
  assert.equal([...new Set(kinds.map((option) => option.slice(0, 2)))], ['18']);
});

test('fits into the MTU of the guest', () => {
  const searchDomains = many(1000, (i) => `d${i}.example`);
  for (const mtu of [600, 601, 607]) {
    assert.ok(lengthOf({ ...IPV6_GUEST, searchDomains, mtu }) <= mtu - 40);
    assert.ok(lengthOf({ ...IPV6_GUEST, searchDomains, mtu }) >= mtu - 40 - 24);
  }
});

test('ends at a multiple of eight bytes whatever the search domains are', () => {
  for (const domain of [...ODD_DOMAINS, 'é'.repeat(40), '1'.repeat(300), 'x.'.repeat(200)]) {
    const options = optionsOf({ ...IPV6_GUEST, searchDomains: [domain, 'z'] });
    assert.is(options.length, 1);
    assert.is(Number.parseInt(options[0]?.slice(0, 2) ?? '', 16), DOMAINS_OPTION);
  }
});

test('exists without IPv6, for a router that is gone', () =>
  assert.is(
    encodeAdvertisement('fe80::1', 0, { ...IPV6_GUEST, ipv6: null, mtu: 1280 }).toString('hex'),
    `80000000${u16(0)}${u16(0)}${'00'.repeat(8)}${SOURCE}0501000000000500`,
  ));

test.run();
