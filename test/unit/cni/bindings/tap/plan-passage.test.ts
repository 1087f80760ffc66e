import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { endsOf } from '../../../../../cni/bindings/tap/ends.ts';
import { type GuestFacts, NO_FACTS, passageOf } from '../../../../../cni/bindings/tap/guest-facts.ts';
import { planAdd } from '../../../../../cni/bindings/tap/plan-add.ts';
import { ISOLATION_RULES, SERVICE_RULES } from '../../../../../cni/bindings/tap/service-rules.ts';
import { silenceTable } from '../../../../../cni/bindings/tap/silence.ts';
import { silenceRules } from '../../../../../cni/bindings/tap/silence-rules.ts';
import { guardRules } from '../../../../../cni/bindings/tap/spoof-guard.ts';
import type { Level, Op } from '../../../../../cni/plan/op.ts';
import { indexNetns, type NetnsState, type Nftables } from '../../../../../cni/plan/seen.ts';
import type { FrameRule } from '../../../../../shared/frame-match.ts';
import { encodeRecord, OPEN_PASSAGE, type Passage, type Restore } from '../../../../../shared/record.ts';
import { caught } from '../../../../helpers/caught.ts';
import {
  attachmentOf,
  BARE,
  clsactOf,
  ETH0,
  KEY,
  LO,
  redirectOf,
  ruleFiltersOf,
  tapOf,
  wired,
  withFloor,
} from '../../../../helpers/pod/seen.ts';

const test = suite('planAdd() for what may pass');

const TABLE = silenceTable(KEY);
const NARROW: GuestFacts['sysctls'] = {
  ...{ 'net.ipv4.ip_unprivileged_port_start': '1024', 'net.ipv4.ping_group_range': '1 0' },
};
const WIDE: GuestFacts['sysctls'] = {
  ...{ 'net.ipv4.ip_unprivileged_port_start': '67', 'net.ipv4.ping_group_range': '107 107' },
};
const FACTS: GuestFacts = {
  ...NO_FACTS,
  ipv4: ['192.0.2.10'],
  ipv6: ['2001:db8::10'],
  router: { address: 'fe80::1', mac: null, isTold: true },
  sysctls: NARROW,
};
const SERVED_TAP = ['169.254.75.10', 'fe80::75:10'];
const DONE: GuestFacts = { ...FACTS, ofTap: SERVED_TAP, sysctls: WIDE };
const RESTORE: Restore = { clsact: true, allmulti: false, noQueue: false, down: false, silence: true };
const EMPTY: Nftables = { tables: [], rules: [], refusal: null };

const ALL = { guestAddresses: 'pod', spoofGuard: 'addresses' } as const;
const SERVICES = { guestAddresses: 'pod' } as const;
const MAC = { spoofGuard: 'mac' } as const;
type Keys = Readonly<Record<string, string>>;

function plan(keys: Keys, seen: NetnsState, facts: GuestFacts): readonly Level[] {
  const attachment = attachmentOf(keys);
  const ends = endsOf(attachment, indexNetns(seen), passageOf(attachment.conf, facts));
  return planAdd(attachment, ends, [], facts);
}

/** What an op is, and of which link or sysctl. */
function nameOf(op: Op): string {
  switch (op.op) {
    case 'setLink':
      return `${op.change.set} ${op.link}`;
    case 'setSysctl':
      return `${op.sysctl}=${op.value}`;
    case 'addAddress':
    case 'deleteAddress':
      return `${op.op} ${op.address.local} ${op.link}`;
    case 'addRules':
      return `${op.op} ${op.link} ${op.isGuard ? 'guard' : 'services'} ${op.rules.length}`;
    case 'addRedirect':
      return `${op.op} ${op.from}`;
    case 'deleteRedirect':
      return `${op.op} ${op.from}`;
    default:
      return 'link' in op ? `${op.op} ${op.link}` : op.op;
  }
}
const names = (levels: readonly Level[]) => levels.map((level) => level.map((step) => nameOf(step.do)));
const undos = (levels: readonly Level[]) =>
  levels
    .flat()
    .flatMap(({ undo }) => undo)
    .reverse()
    .map(nameOf);

const rulesOfTap = (keys: Keys, facts = FACTS): readonly FrameRule[] => {
  const { serves, guard } = passageOf(attachmentOf(keys).conf, facts);
  return [...(serves ? SERVICE_RULES : []), ...guardRules(guard, ETH0.mac, facts)];
};

const silenceOf = (passage: Passage): Nftables => {
  const rules = silenceRules('eth0', 'tap0', passage.serves ? { ipv6: passage.ipv6 } : null);
  const tables = (['inet', 'arp'] as const).map((family) => ({ family, name: TABLE }));
  return {
    tables,
    rules: tables.flatMap((table) =>
      (['input', 'forward', 'output'] as const).flatMap((chain) =>
        (rules[table.family][chain] ?? []).map((expressions) => ({ table, chain, expressions })),
      ),
    ),
    refusal: null,
  };
};

/** A pod that ADD has wired with these keys. */
function wiredWith(keys: Keys, changes: Partial<NetnsState> = {}): NetnsState {
  const passage = passageOf(attachmentOf(keys).conf, FACTS);
  const record = {
    key: KEY,
    binding: 'tap',
    podLink: 'eth0',
    mtu: 1500,
    told: [],
    restore: RESTORE,
  } as const;
  const [silence, floor] = [silenceOf(passage), withFloor(passage.serves)];
  return wired({
    links: [LO, ETH0, tapOf({ ifalias: encodeRecord({ ...record, passage }) })],
    filters: [
      redirectOf(2, 3, KEY, RESTORE),
      redirectOf(3, 2, KEY, RESTORE),
      ...ruleFiltersOf(3, rulesOfTap(keys), 2, KEY, RESTORE),
      ...(passage.serves ? ruleFiltersOf(2, ISOLATION_RULES, 3, KEY, RESTORE) : []),
    ],
    nftables: {
      tables: [...silence.tables, ...floor.tables],
      rules: [...silence.rules, ...floor.rules],
      refusal: null,
    },
    ...changes,
  });
}

const COUNT = rulesOfTap(ALL).length;
const BARE_SILENT: NetnsState = { ...BARE, nftables: EMPTY };

test('rules come before the redirect of their link, the floor before the rules, and settings before the tap goes up', () => {
  assert.equal(names(plan(ALL, BARE_SILENT, FACTS)), [
    ['addSilence'],
    ['net.ipv4.ip_unprivileged_port_start=67', 'net.ipv4.ping_group_range=107 107'],
    ['addTap tap0'],
    [
      ...['alias tap0', 'addrgenmode none tap0', 'mtu tap0', 'addClsact tap0'],
      ...['accept_local tap0', 'enableIpv6 tap0', 'up tap0'],
      ...['addAddress 169.254.75.10 tap0', 'addAddress fe80::75:10 tap0'],
    ],
    ['persistTap tap0'],
    ['addFloor'],
    [
      ...['addClsact eth0', `addRules tap0 guard ${COUNT}`, 'addRedirect tap0'],
      ...['addRules eth0 services 3', 'addRedirect eth0'],
    ],
  ]);
});

test('the undos restore everything in reverse order, also the sysctls', () => {
  assert.equal(undos(plan(ALL, BARE_SILENT, FACTS)), [
    ...['deleteRedirect eth0', 'deleteRules eth0', 'deleteRedirect tap0', 'deleteRules tap0'],
    ...['deleteClsact eth0', 'deleteFloor', 'deleteClsact tap0', 'deleteLink tap0'],
    ...['net.ipv4.ping_group_range=1 0', 'net.ipv4.ip_unprivileged_port_start=1024', 'deleteSilence'],
  ]);
});

test('a guard alone needs its rules and the floor, but no services', () => {
  assert.equal(names(plan(MAC, BARE_SILENT, NO_FACTS)), [
    ['addSilence'],
    ['addTap tap0'],
    ['alias tap0', 'addrgenmode none tap0', 'mtu tap0', 'addClsact tap0', 'up tap0'],
    ['persistTap tap0'],
    ['addFloor'],
    ['addClsact eth0', 'addRules tap0 guard 2', 'addRedirect tap0', 'addRedirect eth0'],
  ]);
});

test('a pod link without IPv6 gets no service of IPv6', () => {
  const steps = names(plan(SERVICES, BARE_SILENT, { ...FACTS, ipv6: [], router: null })).flat();
  assert.equal(
    steps.filter((step) => /enableIpv6|Address/.test(step)),
    ['addAddress 169.254.75.10 tap0'],
  );
  assert.ok(steps.includes(`addRules tap0 services ${SERVICE_RULES.length}`));
});

test('a router that ADD asked for becomes a neighbour of the tap, one that the routes name does not', () => {
  const router = { address: 'fe80::60:1', mac: '02:00:00:00:00:60', isTold: false };
  const levels = plan(ALL, BARE_SILENT, { ...FACTS, router });
  const { mac, address } = router;
  assert.equal(levels[3]?.at(-1), { do: { op: 'addNeighbour', link: 'tap0', address, mac }, undo: [] });
  const isTold = names(plan(ALL, BARE_SILENT, { ...FACTS, router: { ...router, isTold: true } })).flat();
  assert.not(isTold.some((step) => step.startsWith('addNeighbour')));
});

test('who asked for a router may ping afterwards, like the sidecar', () => {
  const [, sysctls] = names(plan(ALL, BARE_SILENT, { ...FACTS, asker: 0 }));
  assert.ok(sysctls?.includes('net.ipv4.ping_group_range=0 107'));
});

for (const keys of [ALL, SERVICES, MAC]) {
  test(`a second ADD changes nothing: ${JSON.stringify(keys)}`, () => {
    assert.equal(names(plan(keys, wiredWith(keys), DONE)), []);
  });
}

const without = (ifindex: number, nth: number) => {
  const { filters } = wiredWith(ALL);
  const missing = filters.filter((one) => one.ifindex === ifindex && one.rule !== null).at(nth);
  return wiredWith(ALL, { filters: filters.filter((one) => one !== missing) });
};
const nftablesWithout = (family: string): Nftables => {
  const { nftables } = wiredWith(ALL);
  const missing = nftables.rules.find(({ table }) => table.family === family);
  return { ...nftables, rules: nftables.rules.filter((rule) => rule !== missing) };
};
for (const [why, seen, facts, want, undone] of [
  [
    'a filter of the tap is gone',
    without(3, 0),
    DONE,
    ['deleteRules tap0', `addRules tap0 guard ${COUNT}`],
    ['deleteRules tap0'],
  ],
  [
    'the last filter of the tap is gone',
    without(3, -1),
    DONE,
    ['deleteRules tap0', `addRules tap0 guard ${COUNT}`],
    ['deleteRules tap0'],
  ],
  [
    'a filter of the pod link is gone',
    without(2, 1),
    DONE,
    ['deleteRules eth0', 'addRules eth0 services 3'],
    ['deleteRules eth0'],
  ],
  [
    'all filters are gone',
    wiredWith(ALL, { filters: [redirectOf(2, 3, KEY, RESTORE), redirectOf(3, 2, KEY, RESTORE)] }),
    DONE,
    [`addRules tap0 guard ${COUNT}`, 'addRules eth0 services 3'],
    ['deleteRules eth0', 'deleteRules tap0'],
  ],
  [
    'a rule of the floor is gone',
    wiredWith(ALL, { nftables: nftablesWithout('netdev') }),
    DONE,
    ['addFloor'],
    [],
  ],
  [
    'a rule of silence is gone',
    wiredWith(ALL, { nftables: nftablesWithout('inet') }),
    DONE,
    ['addSilence'],
    [],
  ],
  [
    'all tables are gone',
    wiredWith(ALL, { nftables: EMPTY }),
    DONE,
    ['addSilence', 'addFloor'],
    ['deleteFloor', 'deleteSilence'],
  ],
  [
    'the address of IPv6 is gone',
    wiredWith(ALL),
    { ...DONE, ofTap: SERVED_TAP.slice(0, 1) },
    ['addAddress fe80::75:10 tap0'],
    ['deleteAddress fe80::75:10 tap0'],
  ],
  [
    'both addresses are gone',
    wiredWith(ALL),
    { ...DONE, ofTap: [] },
    ['accept_local tap0', 'enableIpv6 tap0', 'addAddress 169.254.75.10 tap0', 'addAddress fe80::75:10 tap0'],
    ['deleteAddress fe80::75:10 tap0', 'deleteAddress 169.254.75.10 tap0'],
  ],
  [
    'a sysctl is too narrow',
    wiredWith(ALL),
    { ...DONE, sysctls: { ...WIDE, 'net.ipv4.ping_group_range': '1 0' } },
    ['net.ipv4.ping_group_range=107 107'],
    ['net.ipv4.ping_group_range=1 0'],
  ],
  [
    'the guest has got another address',
    wiredWith(ALL),
    { ...DONE, ipv4: ['192.0.2.11'] },
    ['deleteRules tap0', `addRules tap0 guard ${COUNT}`],
    ['deleteRules tap0'],
  ],
] as const) {
  test(`ADD completes what is missing, with its undo: ${why}`, () => {
    const levels = plan(ALL, seen, facts);
    assert.equal(names(levels).flat(), want);
    assert.equal(undos(levels), undone);
  });
}

test('a pod that was wired without the keys gets everything, and its record says so', () => {
  const steps = names(plan(ALL, wiredWith({}, { nftables: silenceOf(OPEN_PASSAGE) }), FACTS)).flat();
  assert.equal(steps, [
    ...['addSilence', 'net.ipv4.ip_unprivileged_port_start=67', 'net.ipv4.ping_group_range=107 107'],
    ...['alias tap0', 'accept_local tap0', 'enableIpv6 tap0'],
    ...['addAddress 169.254.75.10 tap0', 'addAddress fe80::75:10 tap0', 'addFloor'],
    ...[`addRules tap0 guard ${COUNT}`, 'addRules eth0 services 3'],
  ]);
});

test('a pod whose NAD has lost the keys loses the rules, and keeps the floor behind them', () => {
  const steps = names(plan({}, wiredWith(ALL), DONE)).flat();
  assert.equal(steps, ['alias tap0', 'deleteRules tap0', 'deleteRules eth0']);
});

for (const [keys, shown] of [
  [SERVICES, '"guestAddresses": "pod"'],
  [MAC, '"spoofGuard": "mac"'],
] as const) {
  test(`a kernel without nf_tables is rejected with ${shown}`, async () => {
    const error = await caught(() => plan(keys, BARE, FACTS));
    assert.is(error.code, 'KERNEL_UNSUPPORTED');
    assert.match(
      error.message,
      `Cannot wire "eth0" with ${shown}: Protocol not supported; this kernel needs CONFIG_NF_TABLES, ` +
        'CONFIG_NF_TABLES_INET and CONFIG_NF_TABLES_ARP, CONFIG_NF_TABLES_NETDEV and CONFIG_NFT_LIMIT',
    );
  });
}

test('requireNftables() does not blame the kernel for a list of tables that was lost', async () => {
  const refusal = 'receive from netlink: No buffer space available';
  const error = await caught(() => plan(MAC, { ...BARE, nftables: { ...EMPTY, refusal } }, FACTS));
  assert.equal(
    [error.code, error.message],
    ['TRY_AGAIN', `Cannot wire "eth0" with "spoofGuard": "mac": ${refusal}; try again`],
  );
});

test('rules are planned for a pod link that has a qdisc already', () => {
  const seen = { ...BARE_SILENT, qdiscs: [clsactOf(2)] };
  assert.not(
    names(plan(ALL, seen, FACTS))
      .flat()
      .includes('addClsact eth0'),
  );
});

test.run();
