import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { programsAt } from '../../../../../cni/bindings/tap/conflicts.ts';
import { conflictWarnings } from '../../../../../cni/bindings/tap/requirements.ts';
import { indexNetns, type NetnsState } from '../../../../../cni/plan/seen.ts';
import type { Filter } from '../../../../../shared/rtnetlink/filter.ts';
import {
  BARE,
  clsactOf,
  ETH0,
  endsIn,
  LO,
  OTHER,
  redirectOf,
  tapOf,
  wired,
} from '../../../../helpers/pod/seen.ts';

const test = suite('findConflicts()');

const foreign = (changes: Partial<Filter>): Filter => ({
  ...redirectOf(2, 1, OTHER),
  pref: 7,
  redirect: null,
  ...changes,
});
const OURS = [redirectOf(2, 3), redirectOf(3, 2)];
const conflictsIn = (changes: Partial<NetnsState>, pod = ETH0) =>
  endsIn(wired({ links: [LO, pod, tapOf()], ...changes })).pod?.conflicts ?? [];
const found = (changes: Partial<NetnsState>, pod = ETH0) =>
  conflictsIn(changes, pod).map(({ what, verdict }) => `${verdict}: ${what}`);

test('a wired link has no conflicts', () => {
  assert.equal(found({}), []);
});

for (const [why, filter, want] of [
  ['deadly', { verdict: 'deadly' }, ['deadly: a u32 filter at pref 7']],
  ['unknown', { verdict: 'unknown', protocol: 0x0800 }, ['unknown: a u32 filter at pref 7 for IPv4 frames']],
  [
    'of a protocol without a name',
    { protocol: 0x88cc },
    ['deadly: a u32 filter at pref 7 for 0x88cc frames'],
  ],
  ['harmless', { verdict: 'harmless' }, []],
  ["at Tapwire's pref, after Tapwire's filter", { pref: 65535 }, []],
  ['in another chain', { chain: 1 }, []],
  ['of a hash table', { handle: 0x80000000 }, []],
  ['on another link', { ifindex: 9 }, []],
  ['at the egress', { direction: 'egress' }, []],
] as const satisfies readonly (readonly [string, Partial<Filter>, readonly string[]])[]) {
  test(`classifies a filter ${why}`, () => {
    assert.equal(found({ filters: [foreign({ verdict: 'deadly', ...filter }), ...OURS] }), want);
  });
}

test("a filter at Tapwire's pref is deadly while Tapwire's is missing", () => {
  const filters = [foreign({ pref: 65535, verdict: 'harmless' })];
  assert.equal(found({ filters }), ['deadly: a u32 filter at pref 65535']);
});

test("a filter with Tapwire's cookie elsewhere is forged, and a conflict", () => {
  const filters = [{ ...redirectOf(2, 1), pref: 5 }, ...OURS];
  assert.equal(found({ filters }), ['deadly: a u32 filter at pref 5']);
});

test('programs and filters are listed in the order in which a frame meets them', () => {
  const programs = [
    { id: 1, name: 'block', returns: [1] },
    { id: 2, name: '', returns: null },
    { id: 3, name: 'last', returns: [0, 2] },
  ];
  const filters = [
    foreign({ kind: 'bpf', pref: 20, program: { id: 3, returns: 'action' }, verdict: 'unknown' }),
    foreign({ pref: 10 }),
  ];
  assert.equal(found({ filters, programs, tcx: [{ ifindex: 2, program: 2 }] }, { ...ETH0, xdp: 1 }), [
    'deadly: the XDP program 1 "block"',
    'unknown: the TCX program 2',
    'deadly: a u32 filter at pref 10',
    'deadly: a bpf filter at pref 20 with program 3 "last"',
  ]);
});

for (const [hook, returns, want] of [
  ['xdp', [2], []],
  ['xdp', [0, 1], ['deadly']],
  ['xdp', [1, 2], ['unknown']],
  ['tcx', [-1], []],
  ['tcx', [0], ['deadly']],
  ['tcx', [4], []],
  ['tcx', null, ['unknown']],
  ['action', [-1, 3], []],
  ['action', [4], ['deadly']],
  ['match', [0], []],
  ['match', [1, -1], ['deadly']],
  ['match', [0, 1], ['unknown']],
] as const) {
  test(`classifies a program of ${hook} that returns ${returns?.join(' or ') ?? 'something'}`, () => {
    const seen = {
      programs: [{ id: 12, name: 'p', returns }],
      tcx: hook === 'tcx' ? [{ ifindex: 2, program: 12 }] : [],
      filters: [
        ...(hook === 'action' || hook === 'match'
          ? [foreign({ kind: 'bpf', program: { id: 12, returns: hook }, verdict: 'unknown' })]
          : []),
        ...OURS,
      ],
    };
    const conflicts = conflictsIn(seen, { ...ETH0, xdp: hook === 'xdp' ? 12 : null });
    assert.equal(
      conflicts.map(({ verdict }) => verdict),
      want,
    );
  });
}

test('a program that cannot be read is unknown', () => {
  assert.equal(found({ tcx: [{ ifindex: 2, program: 9 }] }), ['unknown: the TCX program 9']);
});

test('programsAt() names each program of the links once, and none of other links', () => {
  const seen = wired({
    links: [LO, { ...ETH0, xdp: 11 }, tapOf()],
    tcx: [
      { ifindex: 2, program: 12 },
      { ifindex: 3, program: 12 },
      { ifindex: 9, program: 13 },
    ],
    filters: [...OURS, foreign({ program: { id: 14, returns: 'action' } })],
  });
  assert.equal(programsAt(['eth0', 'tap0'], indexNetns(seen)), [11, 12, 14]);
  assert.equal(programsAt(['eth0', 'tap0'], indexNetns(wired())), []);
});

test('programsAt() has a limit', () => {
  const tcx = Array.from({ length: 500 }, (_, i) => ({ ifindex: 2, program: i + 1 }));
  assert.is(programsAt(['eth0'], indexNetns(wired({ tcx }))).length, 64);
});

function warningsIn(seen: NetnsState): readonly string[] {
  const { pod } = endsIn(seen);
  return pod === null ? [] : conflictWarnings(pod);
}

test('conflictWarnings() names only unknown conflicts', () => {
  const filters = [
    foreign({ verdict: 'unknown' }),
    foreign({ verdict: 'deadly' }),
    foreign({ verdict: 'harmless' }),
  ];
  assert.equal(warningsIn({ ...BARE, links: [LO, ETH0], qdiscs: [clsactOf(2)], filters }), [
    '"eth0" has a u32 filter at pref 7, which may keep frames from the guest; if the guest gets none, let it pass them on ' +
      '(TC_ACT_UNSPEC, TCX_NEXT, XDP_PASS) or remove it',
  ]);
  const many = Array.from({ length: 9 }, (_, pref) => foreign({ verdict: 'unknown', pref }));
  assert.is(warningsIn(wired({ filters: many })).length, 4);
});

test.run();
