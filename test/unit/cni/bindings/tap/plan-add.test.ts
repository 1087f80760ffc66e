import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Attachment } from '../../../../../cni/bindings/tap/attachment.ts';
import * as plan from '../../../../../cni/bindings/tap/plan-add.ts';
import { silenceTable } from '../../../../../cni/bindings/tap/silence.ts';
import { encodeCookie } from '../../../../../cni/plan/cookie.ts';
import type { Level, Op, Step } from '../../../../../cni/plan/op.ts';
import type { NetnsState } from '../../../../../cni/plan/seen.ts';
import { encodeRecord, OPEN_PASSAGE, type Restore } from '../../../../../shared/record.ts';
import type { Filter } from '../../../../../shared/rtnetlink/filter.ts';
import { IFF_ALLMULTI, IFF_UP, type Link } from '../../../../../shared/rtnetlink/link.ts';
import { caught } from '../../../../helpers/caught.ts';
import {
  attachmentOf,
  BARE,
  clsactOf,
  ETH0,
  endsIn,
  KEY,
  LO,
  linkOf,
  OTHER,
  redirectOf,
  silenced,
  tapOf,
  wired,
} from '../../../../helpers/pod/seen.ts';

const test = suite('planAdd()');

const planLevels = (attachment: Attachment, seen: NetnsState, told?: readonly string[]): readonly Level[] =>
  plan.planAdd(attachment, endsIn(seen, attachment), told);

/** Returns the steps of all levels. */
const planAdd = (attachment: Attachment, seen: NetnsState, told?: readonly string[]): readonly Step[] =>
  planLevels(attachment, seen, told).flat();
const ops = (steps: readonly Step[]): Op[] => steps.map((step) => step.do);
/** What an op is, or which setting of a link it changes. */
const nameOf = (op: Op): string => (op.op === 'setLink' ? op.change.set : op.op);
const aliasOf = (restore: Restore, mtu = 1500) =>
  encodeRecord({ key: KEY, binding: 'tap', podLink: 'eth0', mtu, restore, told: [], passage: OPEN_PASSAGE });
const fresh = (restore: Restore): Op[] => [
  { op: 'addTap', link: 'tap0', multiQueue: false, owner: 107, group: 107, selinuxContext: null },
  { op: 'setLink', link: 'tap0', change: { set: 'alias', ifalias: aliasOf(restore) } },
  { op: 'setLink', link: 'tap0', change: { set: 'addrgenmode none' } },
  { op: 'setLink', link: 'tap0', change: { set: 'mtu', mtu: 1500 } },
  { op: 'addClsact', link: 'tap0' },
  { op: 'setLink', link: 'tap0', change: { set: 'up', on: true } },
  { op: 'persistTap', link: 'tap0' },
];
const redirectTap = (restore: Restore): Op => ({
  op: 'addRedirect',
  from: 'tap0',
  to: 'eth0',
  cookie: encodeCookie(KEY, restore),
});
const BOTH_OURS = { clsact: true, allmulti: false, noQueue: false, down: false, silence: false };

test('in a bare netns the tap is created and persistent before the pod link is touched, and the redirect of the pod link comes last', () => {
  assert.equal(ops(planAdd(attachmentOf(), BARE)), [
    ...fresh(BOTH_OURS),
    { op: 'addClsact', link: 'eth0' },
    redirectTap(BOTH_OURS),
    { op: 'addRedirect', from: 'eth0', to: 'tap0', cookie: encodeCookie(KEY, BOTH_OURS) },
  ]);
});

test('the record keeps the untrue claims of prevResult, and a second ADD changes nothing', () => {
  const told = ['a1b2c3', '*'];
  const ifalias = encodeRecord({
    key: KEY,
    binding: 'tap',
    podLink: 'eth0',
    mtu: 1500,
    restore: BOTH_OURS,
    told,
    passage: OPEN_PASSAGE,
  });
  assert.equal(ops(planAdd(attachmentOf(), BARE, told))[1], {
    op: 'setLink',
    link: 'tap0',
    change: { set: 'alias', ifalias },
  });
  assert.equal(planAdd(attachmentOf(), wired({ links: [LO, ETH0, tapOf({ ifalias })] }), told), []);
});

test('a second ADD completes the record of an older ADD', () => {
  const [record, link] = [
    {
      key: KEY,
      binding: 'tap' as const,
      podLink: 'eth0',
      mtu: 1500,
      restore: BOTH_OURS,
      passage: OPEN_PASSAGE,
    },
    'tap0',
  ];
  const older = encodeRecord({ ...record, told: null });
  const [step, ...others] = planAdd(attachmentOf(), wired({ links: [LO, ETH0, tapOf({ ifalias: older })] }));
  const ifalias = encodeRecord({ ...record, told: [] });
  assert.equal(step, {
    do: { op: 'setLink', link, change: { set: 'alias', ifalias } },
    undo: [{ op: 'setLink', link, change: { set: 'alias', ifalias: older } }],
  });
  assert.is(others.length, 0);
});

test('in a bare netns the tap, its record and settings, persistence and the pod link are levels of their own', () => {
  const levels = planLevels(attachmentOf(), BARE).map((level) => level.map((step) => nameOf(step.do)));
  assert.equal(levels, [
    ['addTap'],
    ['alias', 'addrgenmode none', 'mtu', 'addClsact', 'up'],
    ['persistTap'],
    ['addClsact', 'addRedirect', 'addRedirect'],
  ]);
});

test('in a bare netns the undos restore everything in reverse order', () => {
  const undos = planAdd(attachmentOf(), BARE).flatMap(({ undo }) => undo);
  const cookie = encodeCookie(KEY, BOTH_OURS);
  assert.equal(undos.reverse(), [
    { op: 'deleteRedirect', from: 'eth0', cookie },
    { op: 'deleteRedirect', from: 'tap0', cookie },
    { op: 'deleteClsact', link: 'eth0' },
    { op: 'deleteClsact', link: 'tap0' },
    { op: 'deleteLink', link: 'tap0' },
  ]);
});

test('the tap has the settings of the configuration', () => {
  const conf = { owner: 'none', group: 0, multiQueue: true, mtu: 1400, selinuxContext: 'u:r:t:s0' };
  const [addTap, setAlias, , setMtu] = ops(planAdd(attachmentOf(conf), BARE));
  assert.equal(addTap, {
    op: 'addTap',
    link: 'tap0',
    multiQueue: true,
    owner: null,
    group: 0,
    selinuxContext: 'u:r:t:s0',
  });
  assert.equal(setAlias, {
    op: 'setLink',
    link: 'tap0',
    change: { set: 'alias', ifalias: aliasOf(BOTH_OURS, 1400) },
  });
  assert.equal(setMtu, { op: 'setLink', link: 'tap0', change: { set: 'mtu', mtu: 1400 } });
});

for (const kind of ['clsact', 'ingress'] as const) {
  test(`a pod link with a ${kind} qdisc keeps it, and the record tells DEL to leave it`, () => {
    const restore = { clsact: false, allmulti: false, noQueue: false, down: false, silence: false };
    assert.equal(ops(planAdd(attachmentOf(), { ...BARE, qdiscs: [{ ifindex: 2, kind, isShared: false }] })), [
      ...fresh(restore),
      redirectTap(restore),
      { op: 'addRedirect', from: 'eth0', to: 'tap0', cookie: encodeCookie(KEY, restore) },
    ]);
  });
}

test("an ingress qdisc in place of Tapwire's is used, and the record tells DEL to leave it", () => {
  const restore = { clsact: false, allmulti: false, noQueue: false, down: false, silence: false };
  const seen = wired({
    qdiscs: [{ ifindex: 2, kind: 'ingress', isShared: false }, clsactOf(3)],
    filters: [redirectOf(3, 2)],
  });
  assert.equal(ops(planAdd(attachmentOf(), seen)), [
    { op: 'setLink', link: 'tap0', change: { set: 'alias', ifalias: aliasOf(restore) } },
    { op: 'addRedirect', from: 'eth0', to: 'tap0', cookie: encodeCookie(KEY, restore) },
  ]);
});

test("another link's filters that the kernel cannot list do not matter", () => {
  const seen = { ...BARE, gaps: [{ ifindex: 1, reason: 'Message too long' }] };
  assert.equal(planAdd(attachmentOf(), seen), planAdd(attachmentOf(), BARE));
});

for (const kind of ['veth', 'tun', 'vxlan']) {
  test(`planAdd() leaves allmulticast of a ${kind} link as it is`, () => {
    const changes = ops(planAdd(attachmentOf(), { ...BARE, links: [LO, { ...ETH0, kind }] }));
    assert.not(changes.some((op) => nameOf(op) === 'allmulticast'));
  });
}

for (const kind of [null, 'macvlan', 'ipvlan', 'vlan', 'bridge', 'kind-of-tomorrow']) {
  test(`a pod link of kind ${kind} gets allmulticast, and the record tells DEL to turn it off`, () => {
    const seen: NetnsState = {
      ...BARE,
      links: [LO, { ...ETH0, kind, layer: kind === 'ipvlan' ? 'L2' : null }],
    };
    const steps = planAdd(attachmentOf(), seen);
    assert.equal(steps.at(-2), {
      do: { op: 'setLink', link: 'eth0', change: { set: 'allmulticast', on: true } },
      undo: [{ op: 'setLink', link: 'eth0', change: { set: 'allmulticast', on: false } }],
    });
    assert.equal(steps[1]?.do, {
      op: 'setLink',
      link: 'tap0',
      change: {
        set: 'alias',
        ifalias: aliasOf({ clsact: true, allmulti: true, noQueue: false, down: false, silence: false }),
      },
    });
  });
}

const noQueue = { op: 'setLink', link: 'eth0', change: { set: 'txqueuelen', txqlen: 0 } } as const;

test('a pod link without a queue gets none from its first qdisc, and the record tells DEL', () => {
  const restore = { clsact: true, allmulti: false, noQueue: true, down: false, silence: false };
  const steps = planAdd(attachmentOf(), { ...BARE, links: [LO, { ...ETH0, txqlen: 0 }] });
  assert.equal(ops(steps), [
    ...fresh(restore),
    { op: 'addClsact', link: 'eth0' },
    noQueue,
    redirectTap(restore),
    { op: 'addRedirect', from: 'eth0', to: 'tap0', cookie: encodeCookie(KEY, restore) },
  ]);
  const { undo } = steps.find((step) => step.do.op === 'addClsact' && step.do.link === 'eth0') ?? {};
  assert.equal(undo, [{ op: 'deleteClsact', link: 'eth0' }, noQueue]);
});

test('a queue that a crash after the qdisc has left is removed', () => {
  const restore = { clsact: true, allmulti: false, noQueue: true, down: false, silence: false };
  const seen = wired({
    links: [LO, ETH0, tapOf({}, KEY, restore)],
    filters: [redirectOf(3, 2, KEY, restore)],
  });
  assert.equal(ops(planAdd(attachmentOf(), seen)).map(nameOf), ['txqueuelen', 'addRedirect']);
  const done = { ...seen, links: [LO, { ...ETH0, txqlen: 0 }, tapOf({}, KEY, restore)] };
  assert.equal(ops(planAdd(attachmentOf(), done)).map(nameOf), ['addRedirect']);
});

test('a macvlan with allmulticast on is left as it is', () => {
  const seen: NetnsState = { ...BARE, links: [{ ...ETH0, kind: 'macvlan', flags: IFF_UP | IFF_ALLMULTI }] };
  assert.equal(
    ops(planAdd(attachmentOf(), seen)).filter((op) => nameOf(op) === 'allmulticast'),
    [],
  );
});

test('a second ADD of the same attachment changes nothing', () => {
  assert.equal(planAdd(attachmentOf(), wired()), []);
});

const cookie = encodeCookie(KEY, BOTH_OURS);
for (const [why, seen, want] of [
  ['the tap is down', wired({ links: [LO, ETH0, tapOf({ flags: 0 })] }), ['addrgenmode none', 'up']],
  ['the tap has another mtu', wired({ links: [LO, ETH0, tapOf({ mtu: 1000 })] }), ['mtu']],
  ["the pod link's redirect is gone", wired({ filters: [redirectOf(3, 2)] }), ['addRedirect']],
  ["the tap's redirect is gone", wired({ filters: [redirectOf(2, 3)] }), ['addRedirect']],
  [
    'a redirect leads to a link that is gone',
    wired({ filters: [redirectOf(2, 0), redirectOf(3, 2)] }),
    ['deleteRedirect', 'addRedirect'],
  ],
  [
    'only the tap is there',
    wired({ qdiscs: [], filters: [] }),
    ['addClsact', 'addClsact', 'addRedirect', 'addRedirect'],
  ],
] as const) {
  test(`ADD completes the wiring after a crash or damage: ${why}`, () => {
    assert.equal(ops(planAdd(attachmentOf(), seen)).map(nameOf), want);
  });
}

test("after a crash, the first ADD's record for DEL is kept", () => {
  const restore = { clsact: true, allmulti: true, noQueue: false, down: false, silence: false };
  const macvlan: Link = { ...ETH0, kind: 'macvlan', flags: IFF_UP | IFF_ALLMULTI };
  const seen = wired({
    links: [LO, macvlan, tapOf({}, KEY, restore)],
    filters: [redirectOf(3, 2, KEY, restore)],
  });
  assert.equal(ops(planAdd(attachmentOf(), seen)), [
    { op: 'addRedirect', from: 'eth0', to: 'tap0', cookie: encodeCookie(KEY, restore) },
  ]);
});

test('a new tap under an existing redirect inherits what DEL must undo', () => {
  const seen = wired({
    links: [LO, ETH0],
    qdiscs: [clsactOf(2)],
    filters: [redirectOf(2, 0)],
  });
  assert.equal(ops(planAdd(attachmentOf(), seen)), [
    ...fresh(BOTH_OURS),
    redirectTap(BOTH_OURS),
    { op: 'deleteRedirect', from: 'eth0', cookie },
    { op: 'addRedirect', from: 'eth0', to: 'tap0', cookie },
  ]);
});

test('an existing tap is set back to its values', () => {
  const steps = planAdd(attachmentOf(), wired({ links: [LO, ETH0, tapOf({ mtu: 1000, flags: 0 })] }));
  assert.equal(
    steps.flatMap(({ undo }) => undo),
    [
      { op: 'setLink', link: 'tap0', change: { set: 'mtu', mtu: 1000 } },
      { op: 'setLink', link: 'tap0', change: { set: 'up', on: false } },
    ],
  );
});

const SILENCED = { ...BOTH_OURS, silence: true };
const TABLE = silenceTable(KEY);
const NOT_YET = { tables: [], rules: [], refusal: null };
const addSilence = {
  op: 'addSilence',
  table: TABLE,
  podLink: 'eth0',
  tap: 'tap0',
  served: null,
  replaces: false,
} as const;

test("the pod's own stack is silenced before all other steps, and the record says so", () => {
  const levels = planLevels(attachmentOf(), { ...BARE, nftables: NOT_YET });
  const undo = [{ op: 'deleteSilence', table: TABLE }] as const;
  assert.equal(levels[0], [{ do: addSilence, undo }]);
  assert.equal(ops(levels.slice(1).flat()), [
    ...fresh(SILENCED),
    { op: 'addClsact', link: 'eth0' },
    redirectTap(SILENCED),
    { op: 'addRedirect', from: 'eth0', to: 'tap0', cookie: encodeCookie(KEY, SILENCED) },
  ]);
});

test('a silenced pod is left as it is', () => {
  const links = [LO, ETH0, tapOf({}, KEY, SILENCED)];
  assert.equal(planAdd(attachmentOf(), wired({ links, nftables: silenced() })), []);
});

test('a table with missing rules is replaced, and has no undo', () => {
  const nftables = { ...silenced(), rules: silenced().rules.slice(1) };
  const links = [LO, ETH0, tapOf({}, KEY, SILENCED)];
  assert.equal(planAdd(attachmentOf(), wired({ links, nftables })), [
    { do: { ...addSilence, replaces: true }, undo: [] },
  ]);
});

test('a pod that an earlier version wired is silenced, and its record says so', () => {
  const [silence, setAlias, ...rest] = planAdd(attachmentOf(), wired({ nftables: NOT_YET }));
  assert.equal(silence?.do, addSilence);
  assert.equal(setAlias?.do, {
    op: 'setLink',
    link: 'tap0',
    change: { set: 'alias', ifalias: aliasOf(SILENCED) },
  });
  assert.equal(rest, []);
});

test('a pod link that is down is set up last, on its own, and the record tells DEL', () => {
  const restore = { ...BOTH_OURS, down: true };
  const levels = planLevels(attachmentOf(), { ...BARE, links: [LO, { ...ETH0, flags: 0 }] });
  assert.equal(levels.at(-1), [
    {
      do: { op: 'setLink', link: 'eth0', change: { set: 'up', on: true } },
      undo: [{ op: 'setLink', link: 'eth0', change: { set: 'up', on: false } }],
    },
  ]);
  const [, alias] = ops(levels.flat());
  assert.equal(alias, { op: 'setLink', link: 'tap0', change: { set: 'alias', ifalias: aliasOf(restore) } });
  assert.equal(
    ops(levels.flat()).flatMap((op) => (op.op === 'addRedirect' ? op.cookie : [])),
    [encodeCookie(KEY, restore), encodeCookie(KEY, restore)],
  );
});

test('a pod link that went down after ADD is set up again, and DEL does not undo that', () => {
  const levels = planLevels(attachmentOf(), wired({ links: [LO, { ...ETH0, flags: 0 }, tapOf()] }));
  assert.equal(ops(levels.flat()), [{ op: 'setLink', link: 'eth0', change: { set: 'up', on: true } }]);
});

test('a pod link that an earlier version left down is set up, and the record tells DEL', () => {
  const ifalias = tapOf().ifalias?.replace(' down=0 silence=0', '') ?? '';
  const links = [LO, { ...ETH0, flags: 0 }, tapOf({ ifalias })];
  assert.equal(ops(planAdd(attachmentOf(), wired({ links }))), [
    { op: 'setLink', link: 'tap0', change: { set: 'alias', ifalias: aliasOf({ ...BOTH_OURS, down: true }) } },
    { op: 'setLink', link: 'eth0', change: { set: 'up', on: true } },
  ]);
});

test('a pod link that was down at the first ADD is still set down by DEL', () => {
  const restore = { ...BOTH_OURS, down: true };
  const links = [LO, ETH0, tapOf({}, KEY, restore)];
  assert.equal(planAdd(attachmentOf(), wired({ links })), []);
  // The tap with the record is gone, but the cookie has the flag.
  const filters = [redirectOf(2, 0, KEY, restore)];
  const [, alias] = ops(
    planAdd(attachmentOf(), wired({ links: [LO, ETH0], qdiscs: [clsactOf(2)], filters })),
  );
  assert.equal(alias, { op: 'setLink', link: 'tap0', change: { set: 'alias', ifalias: aliasOf(restore) } });
});

const foreignFilter = { ...redirectOf(2, 1, OTHER), pref: 7 };
for (const [why, conf, seen, code, message] of [
  [
    'no pod link',
    {},
    { ...BARE, links: [LO] },
    'LINK_MISSING',
    'Cannot wire "tap0": no pod link "eth0"; its network must come before this attachment',
  ],
  [
    'a pod link without Ethernet',
    {},
    { ...BARE, links: [linkOf(2, 'eth0', { kind: 'tun', type: 65534 })] },
    'LINK_UNSUPPORTED',
    'Cannot wire "tap0" to "eth0": it does not carry Ethernet frames (tun); use a veth, macvlan, host-device or SR-IOV network, or the passt binding',
  ],
  [
    'a netkit in L3 mode',
    {},
    { ...BARE, links: [linkOf(2, 'eth0', { kind: 'netkit', layer: 'L3' })] },
    'LINK_UNSUPPORTED',
    'Cannot wire "tap0" to "eth0": it does not carry Ethernet frames (netkit in L3 mode); use a veth, macvlan, host-device or SR-IOV network, or the passt binding',
  ],
  [
    "another program's link in the tap's place",
    {},
    { ...BARE, links: [ETH0, linkOf(3, 'tap0')] },
    'LINK_EXISTS',
    'Cannot add tap "tap0": that name is taken by a veth link that Tapwire did not make',
  ],
  [
    "another container's tap",
    {},
    { ...BARE, links: [ETH0, tapOf({}, OTHER)] },
    'LINK_EXISTS',
    'Cannot add tap "tap0": that name is taken by the Tapwire link of "net1" in container "pod2"',
  ],
  [
    "a tap of Tapwire's with other queues",
    { multiQueue: true },
    wired(),
    'LINK_EXISTS',
    'Cannot add tap "tap0": it exists with another owner, group or multiQueue; DEL it first, a VM may be using it',
  ],
  [
    "another container's redirect",
    {},
    { ...BARE, qdiscs: [clsactOf(2)], filters: [redirectOf(2, 1, OTHER)] },
    'LINK_EXISTS',
    'Cannot wire "tap0" to "eth0": its frames are redirected to "lo" by a u32 filter at pref 65535 that is not this attachment\'s; remove it first',
  ],
  [
    "the pod link's filters cannot be listed",
    {},
    wired({ gaps: [{ ifindex: 2, reason: 'Message too long' }] }),
    'KERNEL_REFUSED',
    'Cannot wire "tap0" to "eth0": not all filters of "eth0" can be listed (Message too long); remove those that another program added',
  ],
  [
    'a netns that keeps changing',
    {},
    { ...BARE, gaps: [{ ifindex: null, reason: 'it changed during each of 10 attempts' }] },
    'KERNEL_REFUSED',
    'Cannot wire "tap0" to "eth0": the netns cannot be read: it changed during each of 10 attempts',
  ],
  [
    "another program's redirect",
    {},
    wired({ filters: [foreignFilter] }),
    'LINK_EXISTS',
    'Cannot wire "tap0" to "eth0": its frames are redirected to "lo" by a u32 filter at pref 7 that is not this attachment\'s; remove it first',
  ],
  [
    "a tap of Tapwire's with another group",
    { group: 0 },
    wired(),
    'LINK_EXISTS',
    'Cannot add tap "tap0": it exists with another owner, group or multiQueue; DEL it first, a VM may be using it',
  ],
  [
    "a tap of Tapwire's for another pod link",
    {},
    wired({
      links: [LO, ETH0, tapOf({ ifalias: tapOf().ifalias?.replace('link=eth0', 'link=ens5') ?? null })],
    }),
    'LINK_EXISTS',
    'Cannot add tap "tap0" for "eth0": it exists for "ens5"; DEL it first',
  ],
  [
    "a tun with the alias of Tapwire's tap",
    {},
    {
      ...BARE,
      links: [
        ETH0,
        tapOf({ tun: { mode: 'tun', owner: 107, group: 107, multiQueue: false, persist: true } }),
      ],
    },
    'LINK_EXISTS',
    'Cannot add tap "tap0": that name is taken by a tun link that Tapwire did not make',
  ],
  [
    "a veth with the alias of Tapwire's tap",
    {},
    { ...BARE, links: [ETH0, linkOf(3, 'tap0', { ifalias: tapOf().ifalias })] },
    'LINK_EXISTS',
    'Cannot add tap "tap0": that name is taken by a veth link that Tapwire did not make',
  ],
  [
    "another program's filter in the place of Tapwire's",
    {},
    wired({ filters: [{ ...foreignFilter, pref: 65535, redirect: null }] }),
    'LINK_EXISTS',
    'Cannot wire "tap0" to "eth0": there is a u32 filter at pref 65535 that is not this attachment\'s; remove it first',
  ],
  [
    'a filter that is known to keep all frames',
    {},
    { ...BARE, qdiscs: [clsactOf(2)], filters: [{ ...foreignFilter, redirect: null }] },
    'LINK_EXISTS',
    'Cannot wire "tap0" to "eth0": a u32 filter at pref 7 keeps its frames from the guest; remove it first, in the pod\'s netns: tc filter del dev eth0 ingress pref 7',
  ],
  [
    'a TCX program that is known to keep all frames',
    {},
    { ...BARE, tcx: [{ ifindex: 2, program: 12 }], programs: [{ id: 12, name: 'drop', returns: [2] }] },
    'LINK_EXISTS',
    'Cannot wire "tap0" to "eth0": the TCX program 12 "drop" keeps its frames from the guest; remove it first, in the pod\'s netns: bpftool net detach tcx_ingress dev eth0',
  ],
  [
    'a qdisc that shares its filters with other links',
    {},
    { ...BARE, qdiscs: [{ ifindex: 2, kind: 'clsact', isShared: true }] },
    'LINK_UNSUPPORTED',
    'Cannot wire "tap0" to "eth0": its ingress qdisc shares a filter block with other links, which would be redirected as well',
  ],
  [
    'a MAC that the pod link does not have',
    { runtimeConfig: { mac: '02:00:00:00:00:99' } },
    BARE,
    'INVALID_CONFIG',
    'Cannot wire "eth0": it has 02:00:00:00:00:01 as its MAC, want 02:00:00:00:00:99; add "capabilities": {"mac": true} to the plugin that creates the link',
  ],
  [
    "an mtu above the pod link's",
    { mtu: 1501 },
    BARE,
    'INVALID_CONFIG',
    'Cannot read $.mtu: want at most 1500, the mtu of "eth0", got 1501',
  ],
] as const) {
  test(`rejects ${why}`, async () => {
    const error = await caught(() => planAdd(attachmentOf(conf), seen));
    assert.equal([error.code, error.message], [code, message]);
  });
}

test("an mtu of exactly the pod link's is accepted", () => {
  assert.is(planAdd(attachmentOf({ mtu: 1500 }), BARE).length, 10);
});

test('a changed record has an undo', () => {
  const restore = { clsact: false, allmulti: false, noQueue: false, down: false, silence: false };
  const tap = tapOf({}, KEY, restore);
  const seen = wired({
    links: [LO, ETH0, tap],
    qdiscs: [clsactOf(3)],
    filters: [redirectOf(3, 2, KEY, restore)],
  });
  assert.equal(planAdd(attachmentOf(), seen)[0], {
    do: { op: 'setLink', link: 'tap0', change: { set: 'alias', ifalias: aliasOf(BOTH_OURS) } },
    undo: [{ op: 'setLink', link: 'tap0', change: { set: 'alias', ifalias: tap.ifalias } }],
  });
});

test('the undo restores a redirect that leads to an existing link', () => {
  const earlier = encodeCookie(KEY, {
    clsact: true,
    allmulti: true,
    noQueue: false,
    down: false,
    silence: false,
  });
  const misled = redirectOf(2, 1, KEY, {
    clsact: true,
    allmulti: true,
    noQueue: false,
    down: false,
    silence: false,
  });
  const [step] = planAdd(attachmentOf(), wired({ filters: [misled, redirectOf(3, 2)] })).filter(
    ({ do: { op } }) => op === 'deleteRedirect',
  );
  assert.equal(step, {
    do: { op: 'deleteRedirect', from: 'eth0', cookie: earlier },
    undo: [{ op: 'addRedirect', from: 'eth0', to: 'lo', cookie: earlier }],
  });
});

for (const [why, filter] of [
  ['on another side', { ...redirectOf(2, 1, OTHER), direction: 'egress' }],
  ['in a chain to which no filter jumps', { ...redirectOf(2, 1, OTHER), chain: 1 }],
  ['that is only a hash table', { ...redirectOf(2, 1, OTHER), redirect: null, handle: 0x80000000 }],
] as const) {
  test(`another program's filter ${why} does not conflict`, () => {
    assert.is(planAdd(attachmentOf(), { ...BARE, qdiscs: [clsactOf(2)], filters: [filter] }).length, 9);
  });
}

const seenWith = (filter: Partial<Filter>): NetnsState => ({
  ...BARE,
  qdiscs: [clsactOf(2)],
  filters: [{ ...foreignFilter, redirect: null, ...filter }],
});

for (const verdict of ['harmless', 'unknown'] as const) {
  test(`planAdd() accepts a filter whose effect is ${verdict}`, () => {
    assert.is(planAdd(attachmentOf(), seenWith({ verdict })).length, 9);
  });
}

test.run();
