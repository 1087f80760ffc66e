import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silenceTable } from '../../../../cni/bindings/tap/silence.ts';
import { encodeCookie } from '../../../../cni/plan/cookie.ts';
import { planDel } from '../../../../cni/plan/plan-del.ts';
import { ruleOwner } from '../../../../cni/plan/rule-set.ts';
import { bytesAt, type FrameRule } from '../../../../shared/frame-match.ts';
import {
  BARE,
  clsactOf,
  ETH0,
  KEY,
  LO,
  linkOf,
  MACVTAP,
  macvtapOf,
  OTHER,
  redirectOf,
  ruleFiltersOf,
  silenced,
  tapOf,
  VM_LAN,
  wired,
  withFloor,
} from '../../../helpers/pod/seen.ts';

const test = suite('planDel()');

const BOTH = { clsact: true, allmulti: true, noQueue: false, down: false, silence: false };
const NO_QUEUE = { clsact: true, allmulti: false, noQueue: true, down: false, silence: false };
const NEITHER = { clsact: false, allmulti: false, noQueue: false, down: false, silence: false };
const RULES: readonly FrameRule[] = [{ match: { protocol: 'all', keys: [] }, verdict: 'drop' }];
const deleteRedirect = (
  restore = { clsact: true, allmulti: false, noQueue: false, down: false, silence: false },
) => ({ op: 'deleteRedirect', from: 'eth0', cookie: encodeCookie(KEY, restore) }) as const;
const deleteClsact = { op: 'deleteClsact', link: 'eth0' } as const;
const deleteTap = { op: 'deleteLink', link: 'tap0' } as const;
const allmultiOff = { op: 'setLink', link: 'eth0', change: { set: 'allmulticast', on: false } } as const;
const police = { ...redirectOf(2, 1), pref: 7, redirect: null };

for (const [why, seen, want] of [
  ['after ADD: frees the pod link first', wired(), [deleteRedirect(), deleteClsact, deleteTap]],
  ["nothing of Tapwire's", BARE, []],
  [
    "another container's wiring stays",
    wired({ links: [LO, ETH0, tapOf({}, OTHER)], filters: [redirectOf(2, 3, OTHER)] }),
    [],
  ],
  [
    'rules with the same mark stay at the redirect of another attachment',
    wired({ links: [LO, ETH0], filters: [redirectOf(2, 3, OTHER), ...ruleFiltersOf(2, RULES, 3)] }),
    [],
  ],
  [
    'rules that an unfinished ADD left are deleted',
    wired({ links: [LO, ETH0], filters: ruleFiltersOf(2, RULES, 3) }),
    [{ op: 'deleteRules', link: 'eth0', owner: ruleOwner(KEY) }],
  ],
  ["another program's tap stays", { ...BARE, links: [ETH0, tapOf({ ifalias: null })] }, []],
  [
    'DEL leaves the qdisc that ADD found',
    wired({ links: [LO, ETH0, tapOf({}, KEY, NEITHER)], filters: [redirectOf(2, 3, KEY, NEITHER)] }),
    [deleteRedirect(NEITHER), deleteTap],
  ],
  [
    "a qdisc with another program's filter stays",
    wired({ filters: [redirectOf(2, 3), police] }),
    [deleteRedirect(), deleteTap],
  ],
  [
    "a qdisc with another program's filter at its egress stays",
    wired({ filters: [redirectOf(2, 3), { ...police, direction: 'egress' }] }),
    [deleteRedirect(), deleteTap],
  ],
  [
    "a qdisc with another program's filter at Tapwire's pref stays",
    wired({ filters: [redirectOf(2, 3), { ...police, pref: 65535 }] }),
    [deleteRedirect(), deleteTap],
  ],
  [
    "a qdisc with a shared filter block in place of Tapwire's stays",
    wired({ qdiscs: [{ ...clsactOf(2), isShared: true }, clsactOf(3)], filters: [] }),
    [deleteTap],
  ],
  [
    "the hash tables of Tapwire's own filter do not count as another program's",
    wired({
      filters: [
        redirectOf(2, 3),
        { ...police, pref: 65535, handle: 0x80000000 },
        { ...police, pref: 65535, handle: 0 },
      ],
    }),
    [deleteRedirect(), deleteClsact, deleteTap],
  ],
  [
    'the record takes precedence over the cookie',
    wired({ filters: [redirectOf(2, 3, KEY, BOTH)] }),
    [deleteRedirect(BOTH), deleteClsact, deleteTap],
  ],
  [
    "a link with the alias of Tapwire's tap that is not a tap stays",
    { ...BARE, links: [ETH0, linkOf(3, 'tap0', { ifalias: tapOf().ifalias })] },
    [],
  ],
  [
    'a pod link without a queue is restored',
    wired({ filters: [redirectOf(2, 3, KEY, NO_QUEUE)], links: [LO, ETH0, tapOf({}, KEY, NO_QUEUE)] }),
    [
      deleteRedirect(NO_QUEUE),
      deleteClsact,
      { op: 'setLink', link: 'eth0', change: { set: 'txqueuelen', txqlen: 0 } },
      deleteTap,
    ],
  ],
  [
    'allmulticast is turned off again',
    wired({ links: [LO, ETH0, tapOf({}, KEY, BOTH)], filters: [redirectOf(2, 3, KEY, BOTH)] }),
    [deleteRedirect(BOTH), deleteClsact, allmultiOff, deleteTap],
  ],
  [
    'the cookie tells if the tap with the record is gone',
    wired({ links: [LO, ETH0], filters: [redirectOf(2, 0, KEY, BOTH)] }),
    [deleteRedirect(BOTH), deleteClsact, allmultiOff],
  ],
  ['the record tells after a crash before the redirect', wired({ filters: [] }), [deleteClsact, deleteTap]],
  ['a crash before the qdisc', wired({ qdiscs: [], filters: [] }), [deleteTap]],
  [
    'the filter tells if the pod link was renamed meanwhile',
    wired({ links: [LO, linkOf(2, 'nic0'), tapOf()] }),
    [{ ...deleteRedirect(), from: 'nic0' }, { ...deleteClsact, link: 'nic0' }, deleteTap],
  ],
  [
    "an ingress qdisc in place of Tapwire's stays",
    wired({ qdiscs: [{ ...clsactOf(2), kind: 'ingress' }, clsactOf(3)], filters: [redirectOf(3, 2)] }),
    [deleteTap],
  ],
  [
    "Tapwire's redirect is deleted from an ingress qdisc, which stays",
    wired({ qdiscs: [{ ...clsactOf(2), kind: 'ingress' }, clsactOf(3)] }),
    [deleteRedirect(), deleteTap],
  ],
  [
    'a qdisc whose filters the kernel cannot list stays',
    wired({ gaps: [{ ifindex: 2, reason: 'Message too long' }] }),
    [deleteRedirect(), deleteTap],
  ],
  [
    "another link's filters that the kernel cannot list do not matter",
    wired({ gaps: [{ ifindex: 3, reason: 'Message too long' }] }),
    [deleteRedirect(), deleteClsact, deleteTap],
  ],
  [
    "a netns that keeps changing: everything of Tapwire's that was seen is deleted",
    wired({ gaps: [{ ifindex: null, reason: 'it changed' }] }),
    [deleteRedirect(), deleteClsact, deleteTap],
  ],
  [
    "a filter with Tapwire's cookie in another chain is forged and stays",
    { ...BARE, filters: [{ ...redirectOf(2, 3), chain: 5 }] },
    [],
  ],
  [
    "a filter with Tapwire's cookie at another pref is forged and stays",
    { ...BARE, filters: [{ ...redirectOf(2, 3), pref: 1 }] },
    [],
  ],
  ['the pod link is gone', wired({ links: [LO, tapOf()], qdiscs: [], filters: [] }), [deleteTap]],
] as const) {
  test(why, () => {
    assert.equal(planDel(KEY, seen), want);
  });
}

const DOWN = { ...NEITHER, down: true };
const goDown = { op: 'setLink', link: 'eth0', change: { set: 'up', on: false } } as const;
const deleteSilence = { op: 'deleteSilence', table: silenceTable(KEY) } as const;
for (const [why, seen, want] of [
  [
    'a pod link that was down goes down again before its rules are deleted',
    wired({ links: [LO, ETH0, tapOf({}, KEY, DOWN)], filters: [], nftables: silenced() }),
    [goDown, deleteTap, deleteSilence],
  ],
  [
    'the cookie tells if an earlier version rewrote the record without that key',
    wired({
      links: [LO, ETH0, tapOf({ ifalias: tapOf({}, KEY, NEITHER).ifalias?.replace(' down=0', '') ?? '' })],
      filters: [redirectOf(2, 3, KEY, DOWN)],
    }),
    [deleteRedirect(DOWN), goDown, deleteTap],
  ],
  [
    'the cookie tells that the pod link was down if the tap with the record is gone',
    wired({ links: [LO, ETH0], filters: [redirectOf(2, 0, KEY, DOWN)], nftables: silenced() }),
    [deleteRedirect(DOWN), goDown, deleteSilence],
  ],
  ['only rules are left', { ...BARE, nftables: silenced() }, [deleteSilence]],
  [
    'only a table without rules is left',
    { ...BARE, nftables: { ...silenced(), tables: silenced().tables.slice(1), rules: [] } },
    [deleteSilence],
  ],
  ["another attachment's rules stay", { ...BARE, nftables: silenced(undefined, OTHER) }, []],
] as const) {
  test(why, () => {
    assert.equal(planDel(KEY, seen), want);
  });
}

const MANY_RULES: readonly FrameRule[] = [
  { match: { protocol: 'ip', keys: bytesAt(9, [17]) }, verdict: 'drop' },
  { match: { protocol: 'ipv6', keys: bytesAt(6, [17]) }, verdict: 'drop' },
];
const ISOLATED = ruleFiltersOf(2, MANY_RULES, 3);
const deleteRules = { op: 'deleteRules', link: 'eth0', owner: ruleOwner(KEY) } as const;
const deleteFloor = { op: 'deleteFloor', table: silenceTable(KEY) } as const;
/** Tables of u32 at the prefs of the rules, which the kernel deletes with the last filter there. */
const RULE_TABLES = ISOLATED.map((filter) => ({ ...filter, handle: 0x80000000, rule: null }));
const floored = (key = KEY) => {
  const [silence, floor] = [silenced(undefined, key), withFloor(true, undefined, key)];
  return {
    ...silence,
    tables: [...silence.tables, ...floor.tables],
    rules: [...silence.rules, ...floor.rules],
  };
};
for (const [why, seen, want] of [
  [
    'rules of the pod link are deleted before the redirect, those of the tap with the tap, and tables last',
    wired({
      filters: [
        ...[redirectOf(2, 3), redirectOf(3, 2), ...RULE_TABLES],
        ...[...ISOLATED, ...ruleFiltersOf(3, MANY_RULES, 2)],
      ],
      nftables: floored(),
    }),
    [deleteRules, deleteRedirect(), deleteClsact, deleteTap, deleteFloor, deleteSilence],
  ],
  [
    'rules are deleted if the tap is gone',
    wired({ links: [LO, ETH0], filters: [redirectOf(2, 0), ...ISOLATED], nftables: floored() }),
    [deleteRules, deleteRedirect(), deleteClsact, deleteFloor, deleteSilence],
  ],
  [
    'rules are deleted if they are all that is left',
    wired({ links: [LO, ETH0], filters: ISOLATED.slice(1) }),
    [deleteRules],
  ],
  ['the floor is deleted if it is all that is left', { ...BARE, nftables: withFloor(true) }, [deleteFloor]],
  [
    "a qdisc with another program's filter at the pref of a rule stays",
    wired({ filters: [redirectOf(2, 3), ...ISOLATED, { ...police, pref: 65521 }] }),
    [deleteRules, deleteRedirect(), deleteTap],
  ],
  [
    "another attachment's rules and floor stay, and so does the qdisc",
    wired({ filters: [redirectOf(2, 3), ...ruleFiltersOf(2, RULES, 3, OTHER)], nftables: floored(OTHER) }),
    [deleteRedirect(), deleteTap],
  ],
] as const) {
  test(why, () => {
    assert.equal(planDel(KEY, seen), want);
  });
}

test('another ifname of the same container is another attachment', () => {
  assert.equal(planDel({ ...KEY, ifname: 'net2' }, wired()), []);
});

const MACVTAP_GONE = [{ op: 'deleteLink', link: 'net1' }] as const;
const nodeGone = (ifindex: number) => ({ op: 'deleteDeviceNode', ifindex }) as const;
const SECOND = { ...MACVTAP, key: { ...KEY, ifname: 'net2' } };

for (const [why, links, want] of [
  ['a macvtap goes first, and then its device node', [macvtapOf()], [...MACVTAP_GONE, nodeGone(VM_LAN)]],
  [
    'a macvtap that a process has renamed is found by its record',
    [macvtapOf({ ifname: 'evil0' })],
    [{ op: 'deleteLink', link: 'evil0' }, nodeGone(VM_LAN)],
  ],
  [
    'an unfinished macvtap, without a record',
    [macvtapOf({ ifalias: null, flags: 0 })],
    [...MACVTAP_GONE, nodeGone(VM_LAN)],
  ],
  [
    'a macvtap in mode "passthru" gives allmulticast of the lower device back before',
    [macvtapOf({}, { ...MACVTAP, mode: 'passthru' })],
    [
      { op: 'setLink', link: 'net1', change: { set: 'allmulticast', on: false } },
      ...MACVTAP_GONE,
      nodeGone(VM_LAN),
    ],
  ],
  [
    'a macvtap in mode "passthru" without allmulticast',
    [macvtapOf({}, { ...MACVTAP, mode: 'passthru', allmulticast: false })],
    [...MACVTAP_GONE, nodeGone(VM_LAN)],
  ],
  ["another attachment's macvtap stays", [macvtapOf({ ifname: 'net2' }, SECOND)], []],
  ["another attachment's unfinished macvtap stays", [macvtapOf({ ifname: 'net2', ifalias: null })], []],
  ["another container's macvtap stays", [macvtapOf({}, { ...MACVTAP, key: OTHER })], []],
  ["another program's macvtap stays", [macvtapOf({ ifindex: 7, ifalias: null })], []],
  ['a macvlan with the alias of a macvtap stays', [macvtapOf({ kind: 'macvlan', macvtap: null })], []],
  [
    "one of two macvtaps goes, and the other's device node stays",
    [macvtapOf({ ifname: 'net2', ifindex: VM_LAN + 1 }, SECOND), macvtapOf()],
    [...MACVTAP_GONE, nodeGone(VM_LAN)],
  ],
  [
    'links with a forged record go together, and their device nodes after them',
    [macvtapOf(), macvtapOf({ ifname: 'evil0', ifindex: 7 })],
    [...MACVTAP_GONE, { op: 'deleteLink', link: 'evil0' }, nodeGone(VM_LAN), nodeGone(7)],
  ],
] as const) {
  test(`macvtap: ${why}`, () => assert.equal(planDel(KEY, { ...BARE, links: [LO, ETH0, ...links] }), want));
}

test('macvtap: the tap of another attachment is left as it is', () => {
  const key = { ...KEY, ifname: 'net2' };
  const seen = wired({ links: [LO, ETH0, tapOf(), macvtapOf({ ifname: 'net2' }, SECOND)] });
  assert.equal(planDel(key, seen), [{ op: 'deleteLink', link: 'net2' }, nodeGone(VM_LAN)]);
  assert.equal(planDel(KEY, seen), [deleteRedirect(), deleteClsact, deleteTap]);
});

test('macvtap: a device node whose link is already gone is deleted, and named once', () => {
  assert.equal(planDel(KEY, BARE, VM_LAN), [nodeGone(VM_LAN)]);
  const seen = { ...BARE, links: [LO, ETH0, macvtapOf()] };
  assert.equal(planDel(KEY, seen, VM_LAN), [...MACVTAP_GONE, nodeGone(VM_LAN)]);
});

test.run();
