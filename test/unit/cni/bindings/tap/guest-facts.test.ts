import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  NO_FACTS,
  passageOf,
  pingGroups,
  requireAddresses,
} from '../../../../../cni/bindings/tap/guest-facts.ts';
import { caught } from '../../../../helpers/caught.ts';
import { attachmentOf, tapConf } from '../../../../helpers/pod/seen.ts';

const test = suite('what ADD must know of a guest');

const ALL = { guestAddresses: 'pod', spoofGuard: 'addresses' };

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
