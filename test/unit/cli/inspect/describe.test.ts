import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describe } from '../../../../cli/inspect/describe.ts';
import type { Seen } from '../../../../cli/inspect/seen.ts';
import { silenceTable } from '../../../../cni/bindings/tap/silence.ts';
import { indexNetns, type NetnsState } from '../../../../cni/plan/seen.ts';
import { tapIn } from '../../../helpers/cluster/inspect-output.ts';
import { BARE, KEY, OTHER, redirectOf, silenced, tapOf, wired } from '../../../helpers/pod/seen.ts';

const test = suite('describe()');

const TRAFFIC = { packets: 3, bytes: 300 };

function seenIn(netns: NetnsState, changes: Partial<Seen> = {}): Seen {
  const filters = netns.filters.map((filter) => ({ ...filter, traffic: TRAFFIC }));
  const seen = indexNetns({ ...netns, filters });
  return { ...seen, addresses: [], sysctls: null, holders: new Map(), macvtaps: new Map(), ...changes };
}

test('describes a wired pod: both links, both redirects, no defects', () => {
  const address = {
    ifindex: 2,
    family: 'inet',
    local: '192.0.2.1',
    prefixLength: 24,
    scope: 'global',
    isTentative: false,
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
