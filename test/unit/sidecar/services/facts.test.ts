import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeRecord, OPEN_PASSAGE, type Passage } from '../../../../shared/record.ts';
import type { Address } from '../../../../shared/rtnetlink/address.ts';
import type { Link } from '../../../../shared/rtnetlink/link.ts';
import type { Route } from '../../../../shared/rtnetlink/route.ts';
import { type PodFacts, type PodNetwork, servedTapsOf } from '../../../../sidecar/services/facts.ts';
import { ETH0, KEY, linkOf, NOTHING, tapOf } from '../../../helpers/pod/seen.ts';

const test = suite('servedTapsOf()');

const tapWith = (passage: Partial<Passage>, changes: Partial<Link> = {}) =>
  tapOf({
    ifalias: encodeRecord({
      ...{ key: KEY, binding: 'tap', podLink: 'eth0', mtu: 1500, restore: NOTHING, told: [] },
      passage: { ...OPEN_PASSAGE, ...passage },
    }),
    ...changes,
  });

const SERVED = tapWith({ serves: true, ipv6: true });
const TAP = SERVED.ifindex;

const address = (cidr: string, changes: Partial<Address> = {}): Address => {
  const [local = '', length] = cidr.split('/');
  return {
    ...{ ifindex: 2, family: local.includes(':') ? 'inet6' : 'inet', local, prefixLength: Number(length) },
    ...{ scope: 'global', isTentative: false, isPermanent: true },
    ...changes,
  };
};

const route = (destination: string, gateway: string | null, changes: Partial<Route> = {}): Route => ({
  ...{ family: `${destination}${gateway}`.includes(':') ? 'inet6' : 'inet', destination, gateway },
  ...{ link: 2, table: 254, protocol: 3 },
  ...changes,
});

const podOf = (changes: Partial<PodNetwork>): PodNetwork => ({
  links: [ETH0, SERVED],
  addresses: [],
  routes: [],
  neighbours: [],
  nameservers: ['10.96.0.10'],
  searchDomains: [],
  hostname: 'vm1',
  ...changes,
});

const factsOf = (changes: Partial<PodNetwork>): PodFacts => {
  const [served, ...others] = servedTapsOf(podOf(changes));
  assert.equal(others, []);
  assert.ok(served);
  return served.facts;
};

const CALICO: Partial<PodNetwork> = {
  addresses: [address('10.50.0.7/32'), address('fd00:50::7/128'), address('fe80::1/64', { scope: 'link' })],
  routes: [
    route('169.254.1.1/32', null),
    route('default', '169.254.1.1'),
    route('fd00:50::7/128', null, { protocol: 2 }),
    route('fe80::/64', null, { protocol: 2 }),
    route('default', 'fe80::ecee:eeff:feee:eeee'),
  ],
};
const SHARED: Partial<PodNetwork> = {
  addresses: [address('10.60.0.7/24'), address('fd00:60::7/64')],
  routes: [
    route('10.60.0.0/24', null, { protocol: 2 }),
    route('default', '10.60.0.1'),
    route('10.2.0.0/16', '10.60.0.2'),
    route('fd00:60::/64', null, { protocol: 2 }),
    route('fd00:2::/48', 'fd00:60::1'),
    route('default', 'fd00:60::1'),
  ],
};

test('a network without a subnet: the gateway is on the link, and IPv6 has no prefix there', () => {
  assert.equal(factsOf(CALICO), {
    ...{ mtu: 1500, hostname: 'vm1', nameservers: ['10.96.0.10'] },
    ipv4: {
      ...{ address: '10.50.0.7', prefixLength: 32 },
      routes: [
        { destination: '169.254.1.1/32', gateway: null },
        { destination: 'default', gateway: '169.254.1.1' },
      ],
    },
    ipv6: {
      ...{ addresses: ['fd00:50::7'], router: 'fe80::ecee:eeff:feee:eeee', isDefaultRouter: true },
      ...{ routes: [], onLink: [] },
    },
  });
});

test('a shared network: further routes, its prefix, and the router that ADD found', () => {
  const neighbours = [
    { ifindex: TAP, address: 'fe80::99', mac: '02:00:00:00:00:99', state: 0x80 },
    { ifindex: 2, address: 'fe80::1', mac: '02:00:00:00:00:01', state: 0x80 },
  ];
  const { ipv4, ipv6 } = factsOf({ ...SHARED, neighbours });
  assert.equal(ipv4, {
    ...{ address: '10.60.0.7', prefixLength: 24 },
    routes: [
      { destination: 'default', gateway: '10.60.0.1' },
      { destination: '10.2.0.0/16', gateway: '10.60.0.2' },
    ],
  });
  assert.equal(ipv6, {
    ...{ addresses: ['fd00:60::7'], router: 'fe80::99', isDefaultRouter: true },
    ...{ routes: ['fd00:2::/48'], onLink: ['fd00:60::/64'] },
  });
});

test('a router of IPv6 that is unknown: the server stands in, but not as a router', () => {
  for (const routes of [SHARED.routes ?? [], []]) {
    const { ipv6 } = factsOf({ ...SHARED, routes });
    assert.equal(
      [ipv6?.router, ipv6?.isDefaultRouter, ipv6?.routes, ipv6?.onLink],
      ['fe80::75:10', false, [], ['fd00:60::/64']],
    );
  }
});

test('routes that the guest cannot use: of other links, other tables, and of router advertisements', () => {
  const routes = [
    route('default', '10.60.0.1', { link: 5 }),
    route('default', '10.60.0.1', { table: 100 }),
    route('default', 'fe80::1', { protocol: 9 }),
    route('default', '10.60.0.1', { link: null }),
  ];
  const { ipv4, ipv6 } = factsOf({ ...SHARED, routes });
  assert.equal([ipv4?.routes, ipv6?.isDefaultRouter], [[], false]);
});

test('a pod link without addresses, and one that is gone', () => {
  assert.equal([factsOf({}).ipv4, factsOf({}).ipv6], [null, null]);
  const { ipv4, ipv6 } = factsOf({ ...CALICO, links: [SERVED] });
  assert.equal([ipv4, ipv6], [null, null]);
});

test('a tap that ADD could not prepare for IPv6', () => {
  const { ipv4, ipv6 } = factsOf({ ...CALICO, links: [ETH0, tapWith({ serves: true })] });
  assert.equal([ipv4?.address, ipv6], ['10.50.0.7', null]);
});

test('the first global address of IPv4, and all of IPv6 that stay', () => {
  const addresses = [
    address('169.254.3.3/16', { scope: 'link' }),
    address('192.0.2.1/24'),
    address('192.0.2.2/24'),
    address('2001:db8::1/64'),
    address('2001:db8::2/64', { isPermanent: false }),
    address('2001:db8:1::3/64'),
    address('192.0.2.3/24', { ifindex: 9 }),
  ];
  const { ipv4, ipv6 } = factsOf({ addresses });
  assert.equal(
    [ipv4?.address, ipv6?.addresses, ipv6?.onLink],
    ['192.0.2.1', ['2001:db8::1', '2001:db8:1::3'], ['2001:db8::/64', '2001:db8:1::/64']],
  );
  assert.is(factsOf({ addresses: addresses.slice(0, 1) }).ipv4?.address, '169.254.3.3');
});

test('the smaller MTU of the two links', () => {
  assert.is(factsOf({ links: [linkOf(2, 'eth0', { mtu: 1400 }), SERVED] }).mtu, 1400);
  assert.is(factsOf({ links: [ETH0, tapWith({ serves: true }, { mtu: 1300 })] }).mtu, 1300);
});

test('bounded numbers of routes, addresses and name servers, whatever the pod has', () => {
  const count = { length: 100 };
  const facts = factsOf({
    addresses: [address('192.0.2.1/24'), ...Array.from(count, (_, i) => address(`2001:db8:${i}::1/64`))],
    routes: Array.from(count, (_, i) => route(`10.${i}.0.0/16`, '192.0.2.9')),
    nameservers: Array.from(count, (_, i) => `192.0.2.${i}`),
  });
  assert.equal(
    [
      facts.ipv4?.routes.length,
      facts.ipv6?.addresses.length,
      facts.ipv6?.onLink.length,
      facts.nameservers.length,
    ],
    [32, 16, 16, 8],
  );
});

test('taps that nobody serves: without a record, without services, and of another program', () => {
  const links = [ETH0, tapOf(), tapOf({ ifalias: null }), linkOf(4, 'tap1', { ifalias: SERVED.ifalias })];
  assert.equal(servedTapsOf(podOf({ links })), []);
});

test.run();
