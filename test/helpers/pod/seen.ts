/** Netns states as the kernel would report them, for tests of the planner. */

import * as assert from 'uvu/assert';
import type { Attachment } from '../../../cni/bindings/tap/attachment.ts';
import { type AttachmentNames, type Ends, endsOf } from '../../../cni/bindings/tap/ends.ts';
import { EXCEPTIONS, ISOLATION_RULES, type ServiceRule } from '../../../cni/bindings/tap/service-rules.ts';
import { SILENCED, silenceTable } from '../../../cni/bindings/tap/silence.ts';
import { encodeCookie } from '../../../cni/plan/cookie.ts';
import { REDIRECT_PREF } from '../../../cni/plan/op.ts';
import { digestOf, ruleId, ruleOwner } from '../../../cni/plan/rule-set.ts';
import { indexNetns, type NetnsState, type Nftables } from '../../../cni/plan/seen.ts';
import {
  decodeNetConf,
  type MacvtapConf,
  type PasstConf,
  type TapConf,
} from '../../../cni/request/config.ts';
import type { FrameRule } from '../../../shared/frame-match.ts';
import { firstIfindexOf } from '../../../shared/kubelet/device-id.ts';
import { ACCEPT, DROP, type Expression, leavesBy } from '../../../shared/nftables/expression.ts';
import { matchExpressions } from '../../../shared/nftables/frame-rule.ts';
import type { Rule } from '../../../shared/nftables/rule.ts';
import {
  type AttachmentKey,
  encodeRecord,
  type MacvtapRecord,
  OPEN_PASSAGE,
  type Restore,
} from '../../../shared/record.ts';
import type { Filter } from '../../../shared/rtnetlink/filter.ts';
import { IFF_ALLMULTI, IFF_UP, type Link, type MacvtapDetails } from '../../../shared/rtnetlink/link.ts';
import { MACVTAP_MODES, type MacvtapMode } from '../../../shared/rtnetlink/macvtap.ts';
import type { IngressQdisc } from '../../../shared/rtnetlink/qdisc.ts';
import { ruleContents } from '../../../shared/rtnetlink/rule-filter.ts';

export const KEY: AttachmentKey = { containerId: 'pod1', ifname: 'net1' };
export const OTHER: AttachmentKey = { containerId: 'pod2', ifname: 'net1' };
/** What ADD has to restore on a veth, on a kernel without nf_tables. */
export const NOTHING: Restore = {
  clsact: true,
  allmulti: false,
  noQueue: false,
  down: false,
  silence: false,
};
/** On a kernel without nf_tables. Silence has tests of its own. */
export const NO_NFTABLES: Nftables = { tables: [], rules: [], refusal: 'Protocol not supported' };

type Keys = Readonly<Record<string, unknown>>;
const decode = (keys: Keys) => decodeNetConf({ cniVersion: '1.0.0', name: 'tapwire', ...keys });

/** The configuration of a NAD with these keys. */
export function tapConf(keys: Keys = {}): TapConf {
  const conf = decode(keys);
  assert.is(conf.binding, 'tap');
  return conf as TapConf;
}

export function passtConf(keys: Keys = {}): PasstConf {
  const conf = decode({ binding: 'passt', ...keys });
  assert.is(conf.binding, 'passt');
  return conf as PasstConf;
}

export function macvtapConf(keys: Keys = {}): MacvtapConf {
  const conf = decode({ binding: 'macvtap', ...keys });
  assert.is(conf.binding, 'macvtap');
  return conf as MacvtapConf;
}

/** The attachment of the primary network, with these keys in the NAD. */
export const attachmentOf = (keys: Keys = {}): Attachment => ({
  key: KEY,
  podLink: 'eth0',
  tap: 'tap0',
  conf: tapConf(keys),
});

export function linkOf(ifindex: number, ifname: string, changes: Partial<Link> = {}): Link {
  return {
    ifindex,
    ifname,
    kind: 'veth',
    type: 1,
    flags: IFF_UP,
    hasCarrier: true,
    mtu: 1500,
    txqlen: 1000,
    mac: '02:00:00:00:00:01',
    ifalias: null,
    tun: null,
    macvtap: null,
    master: null,
    layer: null,
    xdp: null,
    ...changes,
  };
}

export const LO = linkOf(1, 'lo', { kind: null, type: 772, mtu: 65536 });
export const ETH0 = linkOf(2, 'eth0');

/** A tap as ADD leaves it. */
export function tapOf(changes: Partial<Link> = {}, key = KEY, restore = NOTHING): Link {
  return linkOf(3, 'tap0', {
    kind: 'tun',
    ifalias: encodeRecord({
      key,
      binding: 'tap',
      podLink: 'eth0',
      mtu: 1500,
      restore,
      told: [],
      passage: OPEN_PASSAGE,
    }),
    tun: { mode: 'tap', owner: 107, group: 107, multiQueue: false, persist: true },
    ...changes,
  });
}

/** The first index of resource "vm-lan". */
export const VM_LAN = firstIfindexOf('vm-lan');

/** What ADD gives a macvtap of resource "vm-lan". */
export const MACVTAP: MacvtapRecord = {
  key: KEY,
  binding: 'macvtap',
  lowerDevice: 'uplink0',
  mode: 'bridge',
  mac: '02:00:00:00:00:0a',
  mtu: 1500,
  owner: 107,
  group: 107,
  allmulticast: true,
  promisc: false,
};

/** MACVLAN_MODE_* of linux/if_link.h. */
const MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const satisfies Record<MacvtapMode, number>;
assert.equal(Object.keys(MODES), MACVTAP_MODES);

/** A macvtap as ADD leaves it. */
export function macvtapOf(
  changes: Partial<Link> = {},
  record: MacvtapRecord = MACVTAP,
  details: Partial<MacvtapDetails> = {},
): Link {
  return linkOf(VM_LAN, record.key.ifname, {
    kind: 'macvtap',
    flags: IFF_UP | IFF_ALLMULTI,
    mtu: record.mtu,
    mac: record.mac,
    ifalias: encodeRecord(record),
    macvtap: { mode: MODES[record.mode], hasIpv6: false, lower: 3, queues: 1, ...details },
    ...changes,
  });
}

export function redirectOf(ifindex: number, to: number, key = KEY, restore = NOTHING): Filter {
  const redirect = { to, cookie: encodeCookie(key, restore) };
  return {
    ifindex,
    qdisc: 'clsact',
    direction: 'ingress',
    kind: 'u32',
    pref: REDIRECT_PREF,
    handle: 0x80000001,
    chain: 0,
    protocol: 3,
    redirect,
    rule: null,
    verdict: 'deadly',
    program: null,
  };
}

/** The u32 filters of rules at the ingress of a link, as ADD leaves them. */
export function ruleFiltersOf(
  ifindex: number,
  rules: readonly FrameRule[],
  to: number,
  key = KEY,
  restore = NOTHING,
): readonly Filter[] {
  const id = ruleId(ruleOwner(key), digestOf(ruleContents(rules)));
  const isRedirect = rules.flatMap((rule) => ruleContents([rule]).map(() => rule.verdict === 'pass'));
  return ruleContents(rules).map(({ pref, protocol, handle, content }, i) => ({
    ...redirectOf(ifindex, to, key, restore),
    pref,
    protocol,
    handle: (0x80000000 + handle) >>> 0,
    ...(isRedirect[i] ? {} : { redirect: null }),
    rule: { id, content },
  }));
}

export const clsactOf = (ifindex: number): IngressQdisc => ({ ifindex, kind: 'clsact', isShared: false });

/** A netns before ADD. */
export const BARE: NetnsState = {
  links: [LO, ETH0],
  qdiscs: [],
  filters: [],
  gaps: [],
  tcx: [],
  programs: [],
  nftables: NO_NFTABLES,
};

/** A netns after ADD. */
export function wired(changes: Partial<NetnsState> = {}): NetnsState {
  return {
    links: [LO, ETH0, tapOf()],
    qdiscs: [clsactOf(2), clsactOf(3)],
    filters: [redirectOf(2, 3), redirectOf(3, 2)],
    gaps: [],
    tcx: [],
    programs: [],
    nftables: NO_NFTABLES,
    ...changes,
  };
}

/** Both ends of an attachment in a netns. */
export const endsIn = (seen: NetnsState, names: AttachmentNames = attachmentOf()): Ends =>
  endsOf(names, indexNetns(seen));

/** The rules that ADD adds, each with this count of dropped packets. */
export function silenced(dropped = { packets: 0, bytes: 0 }, key = KEY, links = ['eth0', 'tap0']): Nftables {
  const name = silenceTable(key);
  const tables = SILENCED.map((family) => ({ family, name }));
  const rules = tables.flatMap((table) =>
    links.map((link) => ({
      table,
      chain: 'output',
      expressions: [...leavesBy(link), { is: 'counter', ...dropped } as const, DROP],
    })),
  );
  return { tables, rules, refusal: null };
}

/** The floor that ADD adds, each rule with this count. */
export function withFloor(serves: boolean, counted = { packets: 0, bytes: 0 }, key = KEY): Nftables {
  const table = { family: 'netdev', name: silenceTable(key) } as const;
  const ruleOf = (
    chain: string,
    { match, isLearned, isForAnyMac }: ServiceRule,
    verdict: Expression,
  ): Rule => ({
    table,
    chain,
    expressions: [
      ...matchExpressions(match),
      ...(isLearned ? [{ is: 'limit', perSecond: 2, burst: 20 } as const] : []),
      ...(isForAnyMac ? ([{ is: 'immediate', value: Buffer.of(0) }, { is: 'setPacketType' }] as const) : []),
      { is: 'counter', ...counted },
      verdict,
    ],
  });
  const rules = [
    ...(serves ? EXCEPTIONS.map((rule) => ruleOf('guest', rule, ACCEPT)) : []),
    { table, chain: 'guest', expressions: [{ is: 'counter', ...counted }, DROP] } as const,
    ...(serves ? ISOLATION_RULES.map((rule) => ruleOf('network', rule, DROP)) : []),
  ];
  return { tables: [table], rules, refusal: null };
}
