import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Verdict } from '../../../../shared/bpf/verdict.ts';
import { attribute, nested, struct, text, u32, type Words } from '../../../../shared/netlink/attribute.ts';
import { verdictFor } from '../../../../shared/rtnetlink/match.ts';
import {
  actions,
  classicReturn,
  EVERYTHING,
  filterOf,
  gact,
  mirred,
  selector,
  TERMINAL,
} from '../../../helpers/pod/filter-bytes.ts';

const test = suite('judgeFilter()');

const [ALL, IP, ARP, IPV6, VLAN] = [0x0003, 0x0800, 0x0806, 0x86dd, 0x8100];
const [CONTINUE, OK] = [-1, 0];
const CLASS_ID = u32(1, 0x10001);
const SKIP_SW = 2;
const DIRECT = u32(8, 1);

const U32_OK = actions(7, gact(OK));

for (const [why, kind, protocol, options, want] of [
  ['u32 that matches all, with a class id', 'u32', ALL, [CLASS_ID, EVERYTHING], 'deadly'],
  ['u32 that matches all, without key', 'u32', ALL, [selector(TERMINAL)], 'deadly'],
  ['u32 that matches all IPv4', 'u32', IP, [EVERYTHING], 'deadly'],
  ['u32 that matches all ARP', 'u32', ARP, [EVERYTHING], 'deadly'],
  ['u32 that matches all IPv6', 'u32', IPV6, [EVERYTHING], 'unknown'],
  ['u32 that matches all tagged frames', 'u32', VLAN, [EVERYTHING], 'unknown'],
  ['u32 that matches all, gact ok', 'u32', ALL, [EVERYTHING, U32_OK], 'deadly'],
  ['u32 that matches all, gact continue', 'u32', ALL, [EVERYTHING, actions(7, gact(CONTINUE))], 'harmless'],
  ['u32 that matches all, mirror pipe', 'u32', ALL, [EVERYTHING, actions(7, mirred(2, 3))], 'deadly'],
  ['u32 that is not terminal', 'u32', ALL, [selector(0, [0, 0, 0])], 'harmless'],
  ['u32 with a key', 'u32', ALL, [selector(TERMINAL, [0xffff, 0x4300, 20])], 'unknown'],
  [
    'u32 with a key, continue',
    'u32',
    ALL,
    [selector(TERMINAL, [0xffff, 0, 20]), actions(7, gact(CONTINUE))],
    'harmless',
  ],
  ['u32 with an empty key and another', 'u32', ALL, [selector(TERMINAL, [0, 0, 0], [1, 1, 0])], 'unknown'],
  [
    'u32 whose empty key is past the end of short frames',
    'u32',
    ALL,
    [selector(TERMINAL, [0, 0, 200])],
    'unknown',
  ],
  ['u32 that links to a table', 'u32', ALL, [EVERYTHING, u32(3, 0x100000)], 'unknown'],
  ['u32 in a table that is linked to', 'u32', ALL, [u32(2, 0x100000), EVERYTHING], 'unknown'],
  ['u32 in the root table', 'u32', ALL, [u32(2, 0x80000000), EVERYTHING], 'deadly'],
  ['u32 with a mark', 'u32', ALL, [EVERYTHING, struct(10, [1, 1, 0])], 'unknown'],
  ['u32 of another link', 'u32', ALL, [EVERYTHING, text(8, 'eth1')], 'unknown'],
  ['u32 in hardware only', 'u32', ALL, [EVERYTHING, u32(11, SKIP_SW)], 'unknown'],
  ['u32 whose selector is cut off', 'u32', ALL, [struct(5, [TERMINAL | (2 << 16), 0, 0, 0])], 'unknown'],
  ['u32 without selector', 'u32', ALL, [], 'harmless'],
  ['matchall', 'matchall', ALL, [], 'deadly'],
  ['matchall, gact ok', 'matchall', ALL, [actions(2, gact(OK))], 'deadly'],
  ['matchall, gact continue', 'matchall', ALL, [actions(2, gact(CONTINUE))], 'harmless'],
  ['matchall in hardware only', 'matchall', ALL, [u32(3, SKIP_SW)], 'unknown'],
  ['matchall of another protocol', 'matchall', 0x88cc, [], 'unknown'],
  ['basic', 'basic', ALL, [CLASS_ID], 'deadly'],
  ['basic with a match', 'basic', ALL, [nested(2, struct(1, [1]))], 'unknown'],
  ['flower without a key', 'flower', IP, [CLASS_ID, u32(22, 8), u32(86, 0), actions(3, gact(OK))], 'deadly'],
  ['flower of a type that is its protocol', 'flower', IP, [attribute(8, Buffer.of(8, 0))], 'deadly'],
  ['flower of a type of all protocols', 'flower', ALL, [attribute(8, Buffer.of(0x88, 0xcc))], 'unknown'],
  ['flower with an address', 'flower', IP, [struct(10, [0x0100000a])], 'unknown'],
  [
    'flower with an address, continue',
    'flower',
    IP,
    [struct(10, [1]), actions(3, gact(CONTINUE))],
    'harmless',
  ],
  ['bpf that matches all', 'bpf', ALL, [CLASS_ID, classicReturn(-1)], 'deadly'],
  ['bpf that matches nothing', 'bpf', ALL, [CLASS_ID, classicReturn(0)], 'harmless'],
  ['bpf that matches all, continue', 'bpf', ALL, [classicReturn(1), actions(1, gact(CONTINUE))], 'harmless'],
  ['bpf direct-action ok', 'bpf', ALL, [DIRECT, classicReturn(0)], 'deadly'],
  ['bpf direct-action ok for IPv6', 'bpf', IPV6, [DIRECT, classicReturn(0)], 'unknown'],
  ['bpf direct-action ok for LLDP', 'bpf', 0x88cc, [DIRECT, classicReturn(0)], 'unknown'],
  ['bpf direct-action continue', 'bpf', ALL, [DIRECT, classicReturn(-1)], 'harmless'],
  ['bpf direct-action pipe', 'bpf', ALL, [DIRECT, classicReturn(3)], 'harmless'],
  ['bpf in hardware only', 'bpf', ALL, [DIRECT, classicReturn(0), u32(9, SKIP_SW)], 'unknown'],
  ['bpf with a police of old', 'bpf', ALL, [classicReturn(1), nested(2, struct(1, [0]))], 'unknown'],
  ['bpf without a program', 'bpf', ALL, [DIRECT], 'unknown'],
  ['an unknown classifier', 'flow', ALL, [], 'unknown'],
] as const satisfies readonly (readonly [string, string, number, readonly Words[], Verdict])[]) {
  test(`${why} is ${want}`, () => {
    const { verdict, program, protocol: read } = filterOf(kind, protocol, ...options);
    assert.equal([verdict, program, read], [want, null, protocol]);
  });
}

const ID = u32(11, 12);

for (const [why, options, want] of [
  ['direct-action', [DIRECT, ID], { id: 12, returns: 'action' }],
  ['whose match ends processing', [CLASS_ID, ID], { id: 12, returns: 'match' }],
] as const) {
  test(`bpf with an eBPF program ${why} depends on the program`, () => {
    const { verdict, program } = filterOf('bpf', ALL, ...options);
    assert.equal([verdict, program], ['unknown', want]);
  });
}

test('bpf with an eBPF program whose match lets frames pass does not depend on it', () => {
  const { verdict, program } = filterOf('bpf', ALL, ID, actions(1, gact(CONTINUE)));
  assert.equal([verdict, program], ['harmless', null]);
});

test('verdictFor() takes a program for deadly only if its protocol is vital', () => {
  const ends = (value: number) => value === 0;
  assert.equal(
    [ALL, IP, ARP, IPV6, VLAN].map((protocol) => verdictFor([0], ends, protocol)),
    ['deadly', 'deadly', 'deadly', 'unknown', 'unknown'],
  );
  assert.is(verdictFor([-1], ends, VLAN), 'harmless');
});

test.run();
