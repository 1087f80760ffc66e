import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type NetnsFacts, passageDefects } from '../../../../../cni/bindings/tap/passage-defects.ts';
import { ISOLATION_RULES, SERVICE_RULES } from '../../../../../cni/bindings/tap/service-rules.ts';
import { silenceTable } from '../../../../../cni/bindings/tap/silence.ts';
import type { NetnsState } from '../../../../../cni/plan/seen.ts';
import type { FrameRule } from '../../../../../shared/frame-match.ts';
import { encodeRecord, type Passage } from '../../../../../shared/record.ts';
import type { Address } from '../../../../../shared/rtnetlink/address.ts';
import {
  ETH0,
  endsIn,
  KEY,
  LO,
  NO_NFTABLES,
  NOTHING,
  redirectOf,
  ruleFiltersOf,
  tapOf,
  wired,
  withFloor,
} from '../../../../helpers/pod/seen.ts';

const test = suite('passageDefects()');

const RESTART = 'restart the VM, whose ADD adds what is missing';
const GUARD: readonly FrameRule[] = [{ match: { protocol: 'all', keys: [] }, verdict: 'drop' }];

/** A pod that ADD wired with this passage. */
function wiredWith(passage: Passage, changes: Partial<NetnsState> = {}): NetnsState {
  const record = {
    key: KEY,
    binding: 'tap',
    podLink: 'eth0',
    mtu: 1500,
    restore: NOTHING,
    told: [],
  } as const;
  const ofTap = [...(passage.serves ? SERVICE_RULES : []), ...(passage.guard === 'off' ? [] : GUARD)];
  return wired({
    links: [LO, ETH0, tapOf({ ifalias: encodeRecord({ ...record, passage }) })],
    filters: [
      redirectOf(2, 3),
      redirectOf(3, 2),
      ...ruleFiltersOf(3, ofTap, 2),
      ...(passage.serves ? ruleFiltersOf(2, ISOLATION_RULES, 3) : []),
    ],
    nftables: withFloor(passage.serves),
    ...changes,
  });
}

const addressOf = (local: string, ifindex = 3): Address => ({
  ...{ ifindex, family: local.includes(':') ? 'inet6' : 'inet', local, prefixLength: 32 },
  ...{ scope: 'link', isTentative: false, isPermanent: true },
});
const FACTS: NetnsFacts = {
  addresses: ['169.254.75.10', 'fe80::75:10'].map((local) => addressOf(local)),
  sysctls: {
    ...{ 'net.ipv4.ip_unprivileged_port_start': '67', 'net.ipv4.ping_group_range': '107 107' },
  },
};
const SERVES = { serves: true, ipv6: true, guard: 'off' } as const;
const ALL = { ...SERVES, guard: 'addresses' } as const;
const MAC = { serves: false, ipv6: false, guard: 'mac' } as const;

const defectsOf = (seen: NetnsState, facts: NetnsFacts | null = FACTS) => passageDefects(endsIn(seen), facts);

for (const passage of [SERVES, ALL, MAC, { ...SERVES, ipv6: false }]) {
  test(`nothing is missing after ADD: ${JSON.stringify(passage)}`, () => {
    assert.equal(defectsOf(wiredWith(passage)), []);
    assert.equal(defectsOf(wiredWith(passage), null), []);
  });
}

test('nothing is demanded of a pod whose ADD arranged nothing, or that has no tap', () => {
  assert.equal(defectsOf(wired(), { ...FACTS, addresses: [] }), []);
  assert.equal(defectsOf(wiredWith(ALL, { links: [LO, ETH0], filters: [] })), []);
});

const withoutRules = (seen: NetnsState, ifindex: number, keep: number) => ({
  ...seen,
  filters: seen.filters.filter(
    (filter) => filter.ifindex !== ifindex || filter.rule === null || (filter.handle & 0xfff) <= keep,
  ),
});
for (const [passage, ifindex, what] of [
  [SERVES, 3, 'guest services on "tap0"'],
  [ALL, 3, 'the spoof guard on "tap0"'],
  [ALL, 2, 'isolation from foreign servers on "eth0"'],
] as const) {
  test(`the filters of ${what} are missed`, () => {
    const seen = wiredWith(passage);
    assert.equal(defectsOf(withoutRules(seen, ifindex, 1)), [
      `the filters of ${what} are changed; ${RESTART}`,
    ]);
    assert.equal(defectsOf(withoutRules(seen, ifindex, 0)), [`the filters of ${what} are gone; ${RESTART}`]);
  });
}

test('the floor is missed, unless the kernel does not list its tables', () => {
  const table = silenceTable(KEY);
  const missing = [`the nftables table of "tap0" in family netdev is gone or changed; ${RESTART}`];
  const empty = { tables: [], rules: [], refusal: null };
  const partial = { ...withFloor(true), rules: withFloor(true).rules.slice(1) };
  for (const nftables of [empty, partial, { ...empty, tables: [{ family: 'netdev', name: table } as const] }])
    assert.equal(defectsOf(wiredWith(ALL, { nftables })), missing);
  assert.equal(defectsOf(wiredWith(MAC, { nftables: empty })), missing);
  assert.equal(defectsOf(wiredWith(ALL, { nftables: NO_NFTABLES })), []);
});

test('each address of the tap is missed, and that of IPv6 only if ADD added it', () => {
  const lost = (address: string) => `"tap0" has lost ${address}, at which the guest is served; ${RESTART}`;
  const without = (addresses: readonly Address[]) => ({ ...FACTS, addresses });
  assert.equal(defectsOf(wiredWith(SERVES), without([])), [lost('169.254.75.10'), lost('fe80::75:10')]);
  assert.equal(defectsOf(wiredWith(SERVES), without([addressOf('169.254.75.10')])), [lost('fe80::75:10')]);
  assert.equal(defectsOf(wiredWith({ ...SERVES, ipv6: false }), without([])), [lost('169.254.75.10')]);
  const elsewhere = FACTS.addresses.map((address) => ({ ...address, ifindex: 2 }));
  assert.is(defectsOf(wiredWith(SERVES), without(elsewhere)).length, 2);
  assert.equal(defectsOf(wiredWith(MAC), without([])), []);
});

test('sysctls that are too narrow are named, for the group of the tap', () => {
  const sysctls = {
    ...{ 'net.ipv4.ip_unprivileged_port_start': '1024', 'net.ipv4.ping_group_range': '1 0' },
  } as const;
  assert.equal(defectsOf(wiredWith(SERVES), { ...FACTS, sysctls }), [
    'net.ipv4.ip_unprivileged_port_start is "1024" instead of "67"',
    'net.ipv4.ping_group_range is "1 0" instead of "107 107"',
  ]);
  assert.equal(defectsOf(wiredWith(MAC), { ...FACTS, sysctls }), []);
});

test.run();
