import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nested, struct, text, u32, type Words } from '../../../../shared/netlink/attribute.ts';
import { type ActionOutcome, findRedirect, outcomeOf } from '../../../../shared/rtnetlink/action.ts';
import { action, gact, mirred, toAttributes } from '../../../helpers/pod/filter-bytes.ts';

const test = suite('outcomeOf()');

const [CONTINUE, OK, RECLASSIFY, SHOT, PIPE, STOLEN, QUEUED, REPEAT, REDIRECT, TRAP] = [
  -1, 0, 1, 2, 3, 4, 5, 6, 7, 8,
];
const GOTO_CHAIN_3 = 0x20000003;
const JUMP_2 = 0x10000002;

/** Gives each action its position. */
const numbered = (list: readonly Words[]): Words[] =>
  list.map(([head = 0, ...rest], i) => [((head & 0xffff) | ((0x8000 | (i + 1)) << 16)) >>> 0, ...rest]);
const outcome = (...list: readonly Words[]): ActionOutcome => outcomeOf(toAttributes(...numbered(list)));

for (const [why, list, want] of [
  ['no action', [], 'ends'],
  ...[OK, RECLASSIFY, SHOT, PIPE, STOLEN, QUEUED, REPEAT, REDIRECT, TRAP, GOTO_CHAIN_3].map(
    (next) => [`gact ${next}`, [gact(next)], 'ends'] as const,
  ),
  ['gact continue', [gact(CONTINUE)], 'goes on'],
  ['gact jump', [gact(JUMP_2)], 'unknown'],
  ['gact at random', [action('gact', 2, OK, struct(3, [1]))], 'unknown'],
  ['mirred redirect, with any next action', [mirred(1, CONTINUE)], 'ends'],
  ['mirred ingress redirect', [mirred(3, STOLEN)], 'ends'],
  ['mirred mirror pipe', [mirred(2, PIPE)], 'ends'],
  ['mirred mirror continue', [mirred(2, CONTINUE)], 'goes on'],
  ['mirred mirror pipe, then gact continue', [mirred(2, PIPE), gact(CONTINUE)], 'goes on'],
  ['mirred mirror pipe, then gact ok', [mirred(2, PIPE), gact(OK)], 'ends'],
  ['gact continue, then an action that is not reached', [gact(CONTINUE), gact(SHOT)], 'goes on'],
  ['skbedit pipe, then mirror continue', [action('skbedit', 2, PIPE), mirred(4, CONTINUE)], 'goes on'],
  ['sample pipe', [action('sample', 2, PIPE)], 'ends'],
  ['connmark continue', [action('connmark', 1, CONTINUE)], 'goes on'],
  ['an action of an unknown kind', [action('bpf', 2, OK)], 'unknown'],
  ['an action without parameters', [nested(1, text(1, 'gact'))], 'unknown'],
  [
    'an action whose parameters are cut off',
    [nested(1, text(1, 'gact'), nested(2, struct(2, [0, 0])))],
    'unknown',
  ],
] as const satisfies readonly (readonly [string, readonly Words[], ActionOutcome])[]) {
  test(`of ${why} is ${want}`, () => {
    assert.is(outcome(...list), want);
  });
}

/** The second word of struct tc_police is the action for frames above the rate. */
const police = (above: number, below: number | null): Words =>
  nested(
    1,
    text(1, 'police'),
    nested(2, struct(1, [0, above >>> 0, 0, 0]), ...(below === null ? [] : [u32(5, below >>> 0)])),
  );

for (const [above, below, want] of [
  [SHOT, null, 'ends'],
  [SHOT, OK, 'ends'],
  [SHOT, CONTINUE, 'unknown'],
  [CONTINUE, CONTINUE, 'goes on'],
  [SHOT, PIPE, 'unknown'],
] as const) {
  test(`of police ${above} above the rate and ${below ?? 'nothing'} below is ${want}`, () => {
    assert.is(outcome(police(above, below)), want);
  });
}

test('findRedirect() finds a redirect after other actions, and does not mistake a mirror for one', () => {
  const found = findRedirect(toAttributes(...numbered([mirred(2, PIPE), mirred(1, STOLEN)])));
  assert.ok(found);
  assert.is(findRedirect(toAttributes(...numbered([mirred(2, PIPE), gact(OK)]))), null);
});

test.run();
