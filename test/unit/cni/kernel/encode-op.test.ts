import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { floorAddition, floorDeletion } from '../../../../cni/bindings/tap/floor.ts';
import { silenceAddition, silenceDeletion } from '../../../../cni/bindings/tap/silence.ts';
import { encodeOp, type Known } from '../../../../cni/kernel/encode-op.ts';
import { encodeRules, ruleDeletions } from '../../../../cni/kernel/rules.ts';
import { encodeCookie } from '../../../../cni/plan/cookie.ts';
import type { Op } from '../../../../cni/plan/op.ts';
import { ruleOwner } from '../../../../cni/plan/rule-set.ts';
import { BindingError } from '../../../../shared/errors.ts';
import { addressAddition, addressDeletion, type NewAddress } from '../../../../shared/rtnetlink/address.ts';
import { filterDeletion, redirectAddition } from '../../../../shared/rtnetlink/filter.ts';
import { type LinkChange, linkChange, linkDeletion } from '../../../../shared/rtnetlink/link-change.ts';
import { macvtapAddition } from '../../../../shared/rtnetlink/macvtap.ts';
import { neighbourAddition } from '../../../../shared/rtnetlink/neighbour.ts';
import { clsactAddition, clsactDeletion } from '../../../../shared/rtnetlink/qdisc.ts';
import { caught } from '../../../helpers/caught.ts';
import { KEY, redirectOf, ruleFiltersOf } from '../../../helpers/pod/seen.ts';

const test = suite('encodeOp()');

const INDEXES: Readonly<Record<string, number>> = { eth0: 2, tap0: 3 };
const COOKIE = encodeCookie(KEY, {
  clsact: true,
  allmulti: false,
  noQueue: false,
  down: false,
  silence: false,
});

/** What the kernel reports for a netns with both links. */
const KNOWN: Known = {
  ifindexOf(link) {
    const ifindex = INDEXES[link];
    if (ifindex === undefined) throw new BindingError('LINK_MISSING', `no "${link}"`);
    return ifindex;
  },
  freeIfindex: () => 7,
  qdiscOf: (ifindex) => (ifindex === 2 ? 'ingress' : 'clsact'),
  classifier: 'u32',
  guardForm: 'filters',
  filters: new Map([[2, [redirectOf(2, 3)]]]),
  labelled: (asked) => (asked === null ? null : { label: asked, helper: '/shim' }),
};

const TAP = { op: 'addTap', link: 'tap1', multiQueue: true, owner: 107, group: null } as const;
const change = (...requests: readonly unknown[]) => ({ part: 'change', requests });

test('silence is a batch that needs no existing link', () => {
  const op = {
    op: 'addSilence',
    table: 'tapwire-0',
    podLink: 'eth9',
    tap: 'tap9',
    served: null,
    replaces: true,
  } as const;
  assert.equal(encodeOp(op, KNOWN), { part: 'nftables', requests: silenceAddition(op) });
  assert.equal(encodeOp({ op: 'deleteSilence', table: 'tapwire-0' }, KNOWN), {
    part: 'nftables',
    requests: silenceDeletion('tapwire-0'),
  });
});

test('addTap creates a tap with the next free index for its owner', () => {
  const tap = { ifname: 'tap1', ifindex: 7, multiQueue: true, owner: 107, group: null };
  assert.equal(encodeOp({ ...TAP, selinuxContext: null }, KNOWN), {
    part: 'createTap',
    tap: { ...tap, labelled: null },
  });
  assert.equal(encodeOp({ ...TAP, selinuxContext: 'a:b:c' }, KNOWN), {
    part: 'createTap',
    tap: { ...tap, labelled: { label: 'a:b:c', helper: '/shim' } },
  });
});

test('persistTap applies to the tap that was created last', () =>
  assert.equal(encodeOp({ op: 'persistTap', link: 'tap1' }, KNOWN), { part: 'persistTap' }));

test('deleteLink is a part of its own, which waits', () =>
  assert.equal(encodeOp({ op: 'deleteLink', link: 'tap0' }, KNOWN), {
    part: 'deleteLink',
    deletion: linkDeletion(3),
  }));

test('addClsact and deleteClsact are one request each', () => {
  assert.equal(encodeOp({ op: 'addClsact', link: 'eth0' }, KNOWN), change(clsactAddition(2)));
  assert.equal(encodeOp({ op: 'deleteClsact', link: 'eth0' }, KNOWN), change(clsactDeletion(2)));
});

test('addRedirect uses the classifier that this kernel has, and the existing qdisc', () => {
  const op = { op: 'addRedirect', from: 'eth0', to: 'tap0', cookie: COOKIE } as const;
  const filter = { from: 2, qdisc: 'ingress', to: 3, pref: 65535, cookie: COOKIE } as const;
  assert.equal(encodeOp(op, KNOWN), change(redirectAddition(filter, 'u32')));
  assert.is(encodeOp(op, { ...KNOWN, classifier: null }), null, 'which has to be found out first');
});

test('deleteRedirect deletes the filters that were seen', () => {
  const op = { op: 'deleteRedirect', from: 'eth0', cookie: COOKIE } as const;
  assert.equal(encodeOp(op, KNOWN), change(filterDeletion({ ...redirectOf(2, 3), handle: 0 })));
  assert.equal(encodeOp(op, { ...KNOWN, filters: new Map() }), change());
  assert.is(encodeOp(op, { ...KNOWN, filters: null }), null, 'which may be no more');
});

for (const settings of [
  { set: 'alias', ifalias: 'tapwire/1 …' },
  { set: 'mtu', mtu: 1400 },
  { set: 'address', mac: '02:00:00:00:00:0a' },
  { set: 'txqueuelen', txqlen: 0 },
  { set: 'addrgenmode none' },
  { set: 'up', on: true },
  { set: 'allmulticast', on: false },
  { set: 'promisc', on: true },
  { set: 'accept_local' },
] as const satisfies readonly LinkChange[]) {
  test(`setLink ${settings.set} is one request`, () =>
    assert.equal(
      encodeOp({ op: 'setLink', link: 'tap0', change: settings }, KNOWN),
      change(linkChange(3, settings)),
    ));
}

test('addMacvtap is a request in the netns of the node, and names that of the pod', () => {
  const macvtap = {
    ...({ ifname: 'net1', ifindex: 2 ** 30, lower: 17, mode: 'bridge', mac: '02:00:00:00:00:0a' } as const),
    ...{ mtu: 1500, txqlen: 1000, queues: 1, promisc: false },
  };
  const part = encodeOp({ op: 'addMacvtap', macvtap }, KNOWN);
  if (part?.part !== 'changeAtHome') throw new Error(`another part: ${part?.part}`);
  assert.equal(part.request(9), macvtapAddition(macvtap, 9));
});

test('disableIpv6 is a part of its own, by the name of the link', () =>
  assert.equal(encodeOp({ op: 'disableIpv6', link: 'net1' }, KNOWN), {
    part: 'setIpv6',
    ifname: 'net1',
    on: false,
  }));

test('setSysctl is a part of its own', () =>
  assert.equal(encodeOp({ op: 'setSysctl', sysctl: 'net.ipv4.ping_group_range', value: '1 0' }, KNOWN), {
    part: 'writeSysctl',
    sysctl: 'net.ipv4.ping_group_range',
    value: '1 0',
  }));

test('enableIpv6 is the same part as disableIpv6', () =>
  assert.equal(encodeOp({ op: 'enableIpv6', link: 'tap0' }, KNOWN), {
    part: 'setIpv6',
    ifname: 'tap0',
    on: true,
  }));

test('the floor is a batch', () => {
  const links = { podLink: 'eth0', tap: 'tap0' };
  const op = { op: 'addFloor', table: 'tapwire-0', ...links, serves: true, replaces: false } as const;
  assert.equal(encodeOp(op, KNOWN), { part: 'nftables', requests: floorAddition(op) });
  assert.equal(encodeOp({ op: 'deleteFloor', table: 'tapwire-0' }, KNOWN), {
    part: 'nftables',
    requests: floorDeletion('tapwire-0'),
  });
});

const RULES: Extract<Op, { op: 'addRules' }> = {
  ...{ op: 'addRules', link: 'tap0', to: 'eth0', cookie: COOKIE, isGuard: false, owner: 7 },
  rules: [{ match: { protocol: 'all', keys: [] }, verdict: 'drop' }],
};

test('rules of services are u32 filters, and a guard waits until it is known what the kernel has', () => {
  const filters = change(...encodeRules(RULES, 'filters', KNOWN));
  assert.equal(encodeOp(RULES, KNOWN), filters);
  assert.equal(encodeOp(RULES, { ...KNOWN, guardForm: null }), filters);
  assert.equal(encodeOp(RULES, { ...KNOWN, guardForm: 'program' }), filters);
  const guard = { ...RULES, isGuard: true };
  assert.equal(encodeOp(guard, KNOWN), filters);
  assert.equal(
    encodeOp(guard, { ...KNOWN, guardForm: 'program' }),
    change(...encodeRules(guard, 'program', KNOWN)),
  );
  assert.is(encodeOp(guard, { ...KNOWN, guardForm: null }), null);
});

test('deleteRules deletes the filters that were seen', () => {
  const op = { op: 'deleteRules', link: 'eth0', owner: ruleOwner(KEY) } as const;
  const filters = ruleFiltersOf(2, RULES.rules, 3);
  assert.equal(
    encodeOp(op, { ...KNOWN, filters: new Map([[2, filters]]) }),
    change(...ruleDeletions(filters, op.owner)),
  );
  assert.equal(encodeOp(op, KNOWN), change());
  assert.is(encodeOp(op, { ...KNOWN, filters: null }), null, 'which may be no more');
});

test('addresses and neighbours are one request each', () => {
  const address: NewAddress = {
    ...{ family: 'inet6', local: 'fe80::75:10', prefixLength: 64, scope: 'link', nodad: true },
  };
  const mac = '02:00:00:00:00:0a';
  assert.equal(
    encodeOp({ op: 'addAddress', link: 'tap0', address }, KNOWN),
    change(addressAddition(3, address)),
  );
  assert.equal(
    encodeOp({ op: 'deleteAddress', link: 'tap0', address }, KNOWN),
    change(addressDeletion(3, address)),
  );
  assert.equal(
    encodeOp({ op: 'addNeighbour', link: 'tap0', address: 'fe80::1', mac }, KNOWN),
    change(neighbourAddition(3, 'fe80::1', mac)),
  );
});

test("an op on an unknown link throws the view's error", async () => {
  const error = await caught(() =>
    encodeOp({ op: 'setLink', link: 'x', change: { set: 'up', on: true } }, KNOWN),
  );
  assert.is(error.message, 'no "x"');
});

test.run();
