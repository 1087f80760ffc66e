import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describe } from '../../../../cli/inspect/describe.ts';
import type { Seen } from '../../../../cli/inspect/seen.ts';
import { silenceTable } from '../../../../cni/bindings/tap/silence.ts';
import { ruleId, ruleOwner } from '../../../../cni/plan/rule-set.ts';
import { indexNetns, type NetnsState } from '../../../../cni/plan/seen.ts';
import { DROP } from '../../../../shared/nftables/expression.ts';
import { encodeRecord } from '../../../../shared/record.ts';
import { BPF_RULE_PREF, RULE_PREFS } from '../../../../shared/rtnetlink/rule-filter.ts';
import { tapIn } from '../../../helpers/cluster/inspect-output.ts';
import { BARE, KEY, NOTHING, OTHER, redirectOf, silenced, tapOf, wired } from '../../../helpers/pod/seen.ts';

const test = suite('describe()');

const TRAFFIC = { packets: 3, bytes: 300 };

function seenIn(netns: NetnsState, changes: Partial<Seen> = {}): Seen {
  const filters = netns.filters.map((filter) => ({ ...filter, traffic: TRAFFIC }));
  const seen = indexNetns({ ...netns, filters });
  const nothing = { addresses: [], sysctls: null, routers: new Map(), drops: new Map() };
  return { ...seen, ...nothing, holders: new Map(), macvtaps: new Map(), ...changes };
}

test('describes a wired pod: both links, both redirects, no defects', () => {
  const address = {
    ifindex: 2,
    family: 'inet',
    local: '192.0.2.1',
    prefixLength: 24,
    scope: 'global',
    isTentative: false,
    isPermanent: true,
  } as const;
  const holder = { pid: 1, program: 'qemu', queues: 2 };
  const { attachments, strays } = describe(
    seenIn(wired(), {
      addresses: [address, { ...address, ifindex: 3 }],
      holders: new Map([['tap0', [holder]]]),
    }),
  );
  assert.equal(strays, []);
  assert.equal(attachments, [
    {
      ...KEY,
      binding: 'tap',
      podLink: {
        name: 'eth0',
        kind: 'veth',
        mac: '02:00:00:00:00:01',
        mtu: 1500,
        isUp: true,
        hasCarrier: true,
        addresses: ['192.0.2.1/24'],
      },
      tap: {
        name: 'tap0',
        mac: '02:00:00:00:00:01',
        mtu: 1500,
        isUp: true,
        owner: 107,
        group: 107,
        multiQueue: false,
        persistent: true,
        holders: [holder],
      },
      toTap: { classifier: 'u32', ...TRAFFIC },
      toPodLink: { classifier: 'u32', ...TRAFFIC },
      filters: [],
      silence: null,
      passage: null,
      defects: [],
    },
  ]);
});

test('lists a foreign filter with its verdict', () => {
  const foreign = { ...redirectOf(3, 2, OTHER), redirect: null, pref: 7, verdict: 'unknown' } as const;
  const filters = [foreign, redirectOf(2, 3), redirectOf(3, 2)];
  const attachment = tapIn(describe(seenIn(wired({ filters }))));
  assert.equal(attachment.filters, [{ link: 'tap0', filter: 'a u32 filter at pref 7', verdict: 'unknown' }]);
  assert.equal(attachment.defects, []);
});

test('lists no filters if the record has a hashed key', () => {
  const key = { containerId: 'c'.repeat(300), ifname: 'net1' };
  const filters = [redirectOf(2, 3, key), redirectOf(3, 2, key)];
  const attachment = tapIn(describe(seenIn(wired({ links: [...BARE.links, tapOf({}, key)], filters }))));
  assert.match(attachment.containerId ?? '', /^sha256:/);
  assert.equal([attachment.filters, attachment.defects], [[], []]);
});

test('accepts any owner of the tap, because the NAD is unknown', () => {
  const tap = tapOf({ tun: { mode: 'tap', owner: null, group: 5, multiQueue: true, persist: true } });
  assert.equal(describe(seenIn(wired({ links: [...BARE.links, tap] }))).attachments[0]?.defects, []);
});

test('reports the findings of CHECK as defects', () => {
  const attachment = tapIn(
    describe(seenIn(wired({ links: [...BARE.links, tapOf({ flags: 0 })], filters: [redirectOf(3, 2)] }))),
  );
  assert.equal(attachment.defects, ['tap "tap0" is down', '"eth0" has no redirect to "tap0"']);
  assert.is(attachment.toTap, null);
});

test("shows another attachment's redirect between the same links, as a defect", () => {
  const attachment = tapIn(describe(seenIn(wired({ filters: [redirectOf(2, 3, OTHER), redirectOf(3, 2)] }))));
  assert.is(attachment.toTap?.packets, 3);
  assert.is(attachment.defects.length, 1);
});

test('ignores redirects at an egress', () => {
  const egress = { ...redirectOf(2, 3, OTHER), direction: 'egress' as const };
  assert.is(tapIn(describe(seenIn(wired({ filters: [egress, redirectOf(3, 2)] })))).toTap, null);
});

test('reports a pod link that is gone', () => {
  const attachment = tapIn(describe(seenIn(wired({ links: [tapOf()], filters: [] }))));
  assert.is(attachment.podLink, null);
  assert.ok(attachment.defects.includes('pod link "eth0" is gone'));
});

test('reports no defects if the record has a hashed container id', () => {
  const key = { containerId: `${'x'.repeat(250)}`, ifname: 'net1' };
  const attachment = tapIn(describe(seenIn(wired({ links: [...BARE.links, tapOf({}, key)] }))));
  assert.match(attachment.containerId ?? '', /^sha256:/);
  assert.equal(attachment.defects, []);
});

const QUIET = silenced({ packets: 2, bytes: 100 });
const LONG = { containerId: 'x'.repeat(250), ifname: 'net1' };

test('sums the drops of all rules of a silenced pod', () => {
  const { attachments, strays } = describe(seenIn(wired({ nftables: QUIET })));
  assert.equal(tapIn({ attachments }).silence, { packets: 8, bytes: 400 });
  assert.equal(strays, []);
});

test('finds the tables of a hashed container id by their links', () => {
  const links = [...BARE.links, tapOf({}, LONG)];
  const nftables = silenced({ packets: 1, bytes: 50 }, LONG);
  const { attachments, strays } = describe(seenIn(wired({ links, nftables })));
  assert.equal(tapIn({ attachments }).silence, { packets: 4, bytes: 200 });
  assert.equal(strays, []);
});

/** A netns whose tap has a spoof guard, and no services. */
function guarded(kind: 'bpf' | 'u32'): NetnsState {
  const pref = kind === 'bpf' ? BPF_RULE_PREF : RULE_PREFS.all;
  const own = { id: ruleId(ruleOwner(KEY), 5), content: 7 };
  const rule = { ...redirectOf(3, 2), kind, pref, redirect: null, rule: own } as const;
  const pass = { ...redirectOf(3, 2), pref: RULE_PREFS.ip };
  const table = { family: 'netdev', name: silenceTable(KEY) } as const;
  const expressions = [{ is: 'counter', packets: 4, bytes: 400 } as const, DROP];
  const passage = { serves: false, ipv6: false, guard: 'mac' } as const;
  const ifalias = encodeRecord({
    ...{ key: KEY, binding: 'tap', podLink: 'eth0', mtu: 1500, restore: NOTHING, told: [] },
    passage,
  });
  return wired({
    links: [...BARE.links, tapOf({ ifalias })],
    filters: [redirectOf(2, 3), rule, pass, redirectOf(3, 2)],
    nftables: {
      ...QUIET,
      tables: [...QUIET.tables, table],
      rules: [...QUIET.rules, { table, chain: 'guest', expressions }],
    },
  });
}

test('describes a spoof guard: its form, and what filters and nftables have dropped', () => {
  const program = tapIn(describe(seenIn(guarded('bpf'), { drops: new Map([[3, 10]]) })));
  assert.equal(program.passage, {
    services: null,
    guard: { compares: 'mac', form: 'program' },
    dropped: 14,
  });
  const filters = tapIn(describe(seenIn(guarded('u32'))));
  assert.equal(filters.passage?.guard, { compares: 'mac', form: 'filters' });
  assert.is(filters.passage?.dropped, 4);
});

test('adds up the frames of the redirect, and of the rules that redirect', () => {
  assert.equal(tapIn(describe(seenIn(guarded('u32')))).toPodLink, {
    classifier: 'u32',
    packets: 2 * TRAFFIC.packets,
    bytes: 2 * TRAFFIC.bytes,
  });
});

test('says that the rules of a guard are gone', () => {
  const { filters } = guarded('bpf');
  const bare = { ...guarded('bpf'), filters: filters.filter(({ rule }) => rule === null), nftables: QUIET };
  const { passage, defects } = tapIn(describe(seenIn({ ...bare, filters: wired().filters })));
  assert.equal([passage?.guard?.form, passage?.dropped], [null, null]);
  assert.equal(defects, [
    'the filters of the spoof guard on "tap0" are gone; restart the VM, whose ADD adds what is missing',
    'the nftables table of "tap0" in family netdev is gone or changed; restart the VM, whose ADD adds what is missing',
  ]);
});

test('reports rules and a netdev table without a record as strays', () => {
  const { nftables, filters } = guarded('u32');
  const tables = nftables.tables.filter(({ family }) => family === 'netdev');
  const netns = { ...BARE, filters: filters.map((one) => ({ ...one, ifindex: 2 })) };
  const { strays } = describe(seenIn({ ...netns, nftables: { ...nftables, tables } }));
  assert.is(
    strays.filter((stray) => stray.startsWith('"eth0" has rules for frames (1 filter) that look')).length,
    1,
  );
  assert.ok(strays.some((stray) => stray.includes(' of family netdev drops what guests and networks send ')));
});

test('reports tables without a record as a stray, but no foreign tables', () => {
  const other = { tables: [{ family: 'inet', name: 'filter' }], rules: [], refusal: null } as const;
  assert.equal(describe(seenIn(wired({ nftables: other }))).strays, []);
  const strayed = describe(seenIn({ ...BARE, nftables: QUIET })).strays;
  assert.is(strayed.length, 1);
  assert.match(strayed[0] ?? '', `nftables tables "${silenceTable(KEY)}" drop what the pod sends`);
  assert.is(describe(seenIn(wired({ nftables: silenced(undefined, OTHER) }))).strays.length, 1);
});

test('reports a redirect without a record as a stray, but no foreign filters', () => {
  const strayed = describe(seenIn({ ...BARE, filters: [redirectOf(2, 9)] })).strays;
  assert.is(strayed.length, 1);
  assert.match(strayed[0] ?? '', '"eth0" has a redirect to a deleted link that looks like');
  const foreign = { ...redirectOf(2, 9), pref: 10 };
  const plain = { ...redirectOf(2, 9), redirect: { to: 9, cookie: null } };
  const egress = { ...redirectOf(2, 9), direction: 'egress' as const };
  assert.equal(describe(seenIn({ ...BARE, filters: [foreign, plain, egress] })).strays, []);
});

test.run();
