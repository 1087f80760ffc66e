import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  claimsAddresses,
  findLost,
  findUntrueClaims,
  marksOf,
  warningsOf,
} from '../../../../../cni/bindings/tap/prev-result-claims.ts';
import { prevResult } from '../../../../../cni/request/prev-result.ts';
import type { Address } from '../../../../../shared/rtnetlink/address.ts';
import { ETH0 } from '../../../../helpers/pod/seen.ts';

const test = suite('claims of prevResult');

const ADDRESSES: readonly Address[] = [
  {
    ifindex: 2,
    family: 'inet',
    local: '192.0.2.10',
    prefixLength: 24,
    scope: 'global',
    isTentative: false,
    isPermanent: true,
  },
  {
    ifindex: 2,
    family: 'inet6',
    local: '2001:db8::10',
    prefixLength: 64,
    scope: 'global',
    isTentative: false,
    isPermanent: true,
  },
  {
    ifindex: 3,
    family: 'inet',
    local: '192.0.2.11',
    prefixLength: 24,
    scope: 'global',
    isTentative: false,
    isPermanent: true,
  },
];
const NETNS = '/run/netns/x';
const INTERFACE = { name: 'eth0', mac: ETH0.mac, sandbox: NETNS };
const at0 = (address: string) => ({ interface: 0, address });

const untrueIn = (result: unknown, addresses = ADDRESSES, pod = ETH0) =>
  findUntrueClaims(pod, prevResult('1.0.0')(result, '$.prevResult'), NETNS, addresses);

for (const [why, result] of [
  ['a binding', {}],
  ['another link', { interfaces: [{ ...INTERFACE, name: 'eth1', mac: '02:00:00:00:00:99' }] }],
  ['no MAC and no addresses', { interfaces: [{ name: 'eth0', sandbox: NETNS }] }],
  ['the MAC and an address', { interfaces: [INTERFACE], ips: [at0('192.0.2.10/24')] }],
  ['an address in other letters', { interfaces: [INTERFACE], ips: [at0('2001:DB8:0::10/064')] }],
  ['an IPv4 address in IPv6 form', { interfaces: [INTERFACE], ips: [at0('::ffff:192.0.2.10/120')] }],
  ...['02:00:00:00:00:01', '02-00-00-00-00-01', '0200.0000.0001'].map(
    (mac) => [`the MAC as ${mac}`, { interfaces: [{ ...INTERFACE, mac }] }] as const,
  ),
  [
    'addresses of other interfaces, or of none',
    {
      interfaces: [{ name: 'br0' }, INTERFACE],
      ips: [at0('10.9.9.9/8'), { address: '10.9.9.9/8' }, { interface: -1, address: '10.9.9.9/8' }],
    },
  ],
  [
    'an interface on the node with the same name',
    { interfaces: [{ ...INTERFACE, sandbox: '', mac: '02:00:00:00:00:99' }, INTERFACE] },
  ],
] as const) {
  test(`are true in a result of ${why}`, () => {
    assert.equal(untrueIn(result), []);
  });
}

for (const [why, result, never, lost] of [
  [
    'another MAC',
    { interfaces: [{ ...INTERFACE, mac: '02-00-00-00-00-99' }] },
    'pod link "eth0" has MAC 02-00-00-00-00-99, but it has 02:00:00:00:00:01',
    'pod link "eth0" has MAC 02:00:00:00:00:01 instead of 02-00-00-00-00-99',
  ],
  [
    'a MAC that is not one',
    { interfaces: [{ ...INTERFACE, mac: 'x'.repeat(200) }] },
    `pod link "eth0" has MAC ${'x'.repeat(100)}..., but it has 02:00:00:00:00:01`,
    `pod link "eth0" has MAC 02:00:00:00:00:01 instead of ${'x'.repeat(100)}...`,
  ],
  [
    'another netns',
    { interfaces: [{ ...INTERFACE, sandbox: '/y' }] },
    'pod link "eth0" is in /y, but CNI_NETNS is /run/netns/x',
    'Sandbox in prevResult /y does not match configured netns /run/netns/x',
  ],
  [
    'an address of another link',
    { interfaces: [{ name: 'br0' }, INTERFACE], ips: [{ interface: 1, address: '192.0.2.11/24' }] },
    'pod link "eth0" has address 192.0.2.11/24, but it has 192.0.2.10/24, 2001:db8::10/64',
    'pod link "eth0" has lost its address 192.0.2.11/24',
  ],
  [
    'another prefix length',
    { interfaces: [INTERFACE], ips: [at0('192.0.2.10/25')] },
    'pod link "eth0" has address 192.0.2.10/25, but it has 192.0.2.10/24, 2001:db8::10/64',
    'pod link "eth0" has lost its address 192.0.2.10/25',
  ],
] as const) {
  test(`of ${why} are untrue, reported separately, and excused once they are reported`, () => {
    const untrue = untrueIn(result);
    assert.equal(
      untrue.map((one) => [one.never, one.lost]),
      [[never, lost]],
    );
    assert.equal(warningsOf(untrue), [`prevResult says that ${never}; CHECK expects what ADD found`]);
    assert.equal(findLost(untrue, []), [lost]);
    assert.equal(findLost(untrue, marksOf(untrue)), []);
  });
}

test('that were reported excuse no other loss', () => {
  const claimed = {
    interfaces: [{ ...INTERFACE, mac: '02:00:00:00:00:55' }],
    ips: [at0('10.77.0.9/24'), at0('192.0.2.10/24')],
  };
  const told = marksOf(untrueIn(claimed));
  assert.is(told.length, 2);
  const lostBy = (addresses: readonly Address[], pod = ETH0) =>
    findLost(untrueIn(claimed, addresses, pod), told);
  assert.equal(lostBy(ADDRESSES), []);
  assert.equal(lostBy([]), ['pod link "eth0" has lost its address 192.0.2.10/24']);
  assert.equal(lostBy(ADDRESSES, { ...ETH0, mac: '02:00:00:00:00:77' }), [
    'pod link "eth0" has MAC 02:00:00:00:00:77 instead of 02:00:00:00:00:55',
  ]);
});

test('are not required of a pod whose ADD did not compare them, except for the netns', () => {
  const untrue = untrueIn({
    interfaces: [{ ...INTERFACE, mac: '02:00:00:00:00:55', sandbox: '/y' }],
    ips: [at0('10.77.0.9/24')],
  });
  assert.equal(findLost(untrue, null), [
    'Sandbox in prevResult /y does not match configured netns /run/netns/x',
  ]);
});

test('beyond the room of a record are excused together, with five warnings', () => {
  const ips = Array.from({ length: 50_000 }, (_, i) => at0(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`));
  const untrue = untrueIn({ interfaces: [INTERFACE], ips });
  assert.is(untrue.length, ips.length);
  assert.is(marksOf(untrue).join(',').length, 41);
  assert.is(warningsOf(untrue).length, 5);
  assert.equal(findLost(untrue, marksOf(untrue)), []);
});

test('beyond the room of a record excuse no loss of what was true', () => {
  const never = Array.from({ length: 8 }, (_, i) => at0(`10.0.0.${i}/24`));
  const claimed = { interfaces: [INTERFACE], ips: [...never, at0('192.0.2.10/24')] };
  const told = marksOf(untrueIn(claimed));
  const sentence = ['9 claims of prevResult are untrue, but only 8 were untrue at ADD'];
  assert.equal(findLost(untrueIn(claimed), told), []);
  assert.equal(findLost(untrueIn(claimed, []), told), sentence);
  assert.equal(findLost(untrueIn(claimed, ADDRESSES, { ...ETH0, mac: '02:00:00:00:00:77' }), told), sentence);
});

test("list at most a bounded number of the link's addresses", () => {
  const has = Array.from(
    { length: 1000 },
    (_, i): Address => ({
      ifindex: 2,
      family: 'inet',
      local: `10.0.${i >> 8}.${i & 255}`,
      prefixLength: 24,
      scope: 'global',
      isTentative: false,
      isPermanent: true,
    }),
  );
  const claimed = { interfaces: [INTERFACE], ips: [at0('192.0.2.9/24')] };
  assert.match(untrueIn(claimed, has)[0]?.never ?? '', /, 10\.0\.0\.4\/24 and 995 more$/);
  assert.match(untrueIn(claimed, [])[0]?.never ?? '', /, but it has none$/);
});

test('claimsAddresses() tells whether addresses must be read', () => {
  const claims = (result: unknown) => claimsAddresses('eth0', prevResult('1.0.0')(result, '$'));
  assert.is(claims({ interfaces: [INTERFACE], ips: [at0('192.0.2.10/24')] }), true);
  assert.is(claims({ interfaces: [INTERFACE], ips: [{ interface: 1, address: '192.0.2.10/24' }] }), false);
  assert.is(claims({ interfaces: [{ name: 'br0' }], ips: [at0('192.0.2.10/24')] }), false);
  assert.is(claims({ ips: [{ interface: -1, address: '192.0.2.10/24' }] }), false);
});

test.run();
