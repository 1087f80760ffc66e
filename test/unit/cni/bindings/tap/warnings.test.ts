import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findWarnings, warnOfOlderPassage } from '../../../../../cni/bindings/tap/warnings.ts';
import { encodeRecord, OPEN_PASSAGE } from '../../../../../shared/record.ts';
import {
  attachmentOf,
  BARE,
  ETH0,
  endsIn,
  KEY,
  LO,
  NOTHING,
  silenced,
  tapOf,
  wired,
} from '../../../../helpers/pod/seen.ts';

const test = suite('findWarnings()');

const QUIET = { ...BARE, nftables: silenced() };
const tap = (hasCarrier: boolean) => ({ ...QUIET, links: [LO, { ...ETH0, kind: 'tun', hasCarrier }] });

test('most pods have no warnings', () => {
  assert.equal(findWarnings(attachmentOf(), endsIn(QUIET)), []);
  assert.equal(findWarnings(attachmentOf(), endsIn(tap(true))), []);
  const unplugged = { ...QUIET, links: [LO, { ...ETH0, hasCarrier: false }] };
  assert.equal(findWarnings(attachmentOf(), endsIn(unplugged)), []);
});

test('a pod link that is a tap without a holder gives a warning', () => {
  assert.equal(findWarnings(attachmentOf(), endsIn(tap(false))), [
    'Pod link "eth0" is a tap that no process has open, so that no frame passes; check the plugin that creates it',
  ]);
});

test('a kernel without nf_tables gives a warning', () => {
  assert.equal(findWarnings(attachmentOf(), endsIn(BARE)), [
    'Cannot silence the pod\'s own stack on "eth0" and "tap0": Protocol not supported; until the guest is up, frames with ' +
      "the VM's MAC may come from the pod's own stack; check that the kernel has CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET and " +
      'CONFIG_NF_TABLES_ARP',
  ]);
});

test('a pod link without addresses gives a warning if no other server may tell the guest one', () => {
  const attachment = attachmentOf({ guestAddresses: 'pod' });
  const none = { ipv4: [], ipv6: [] };
  assert.equal(findWarnings(attachment, endsIn(QUIET), none), [
    'Pod link "eth0" has no addresses to tell the guest, and with "guestAddresses": "pod" no other server may; ' +
      'add "ipam" to the plugin that creates the link, or remove the key',
  ]);
  for (const one of [{ ipv4: ['192.0.2.10'] }, { ipv6: ['2001:db8::10'] }])
    assert.equal(findWarnings(attachment, endsIn(QUIET), { ...none, ...one }), []);
  assert.equal(findWarnings(attachmentOf({ spoofGuard: 'mac' }), endsIn(QUIET), none), []);
});

const GUARDED = { key: KEY, binding: 'tap', podLink: 'eth0', mtu: 1500, restore: NOTHING, told: [] } as const;
for (const [keys, passage, without] of [
  [{}, {}, null],
  [{ guestAddresses: 'pod' }, {}, '"guestAddresses": "pod"'],
  [{ spoofGuard: 'mac' }, {}, '"spoofGuard": "mac"'],
  [
    { guestAddresses: 'pod', spoofGuard: 'addresses' },
    {},
    '"guestAddresses": "pod" and "spoofGuard": "addresses"',
  ],
  [
    { guestAddresses: 'pod', spoofGuard: 'addresses' },
    { serves: true, guard: 'mac' },
    '"spoofGuard": "addresses"',
  ],
  [{ guestAddresses: 'pod', spoofGuard: 'addresses' }, { serves: true, guard: 'addresses' }, null],
  [{}, { serves: true, guard: 'addresses' }, null],
] as const) {
  test(`CHECK warns of ${without ?? 'nothing'}: ${JSON.stringify([keys, passage])}`, () => {
    const ifalias = encodeRecord({ ...GUARDED, passage: { ...OPEN_PASSAGE, ...passage } });
    const ends = endsIn(wired({ links: [LO, ETH0, tapOf({ ifalias })] }));
    const warning = `Tap "tap0" was wired without ${without}, before the NAD said so or by an earlier version; restart the VM`;
    assert.equal(warnOfOlderPassage(attachmentOf(keys), ends), without === null ? [] : [warning]);
  });
}

test('CHECK of a pod without a tap warns of nothing, because that is a defect', () => {
  assert.equal(warnOfOlderPassage(attachmentOf({ spoofGuard: 'mac' }), endsIn(BARE)), []);
});

test.run();
