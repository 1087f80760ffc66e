import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { redirectDeletions } from '../../../../cni/kernel/redirects.ts';
import { encodeCookie } from '../../../../cni/plan/cookie.ts';
import { type Filter, filterDeletion } from '../../../../shared/rtnetlink/filter.ts';
import { KEY, OTHER, redirectOf } from '../../../helpers/pod/seen.ts';

const test = suite('redirectDeletions()');

const RESTORE = { clsact: true, allmulti: false, noQueue: false, down: false, silence: false };
const COOKIE = encodeCookie(KEY, RESTORE);
const OURS = redirectOf(2, 3);
/** A deletion without a handle deletes every filter at Tapwire's pref. */
const whole = (filter: Filter) => [filterDeletion({ ...filter, handle: 0 })];
const alone = (filter: Filter) => [filterDeletion(filter)];
const table = { ...OURS, handle: 0x80000000, redirect: null };

for (const [why, filters, want] of [
  ['no filter', [], []],
  ["only Tapwire's", [OURS], whole(OURS)],
  ["Tapwire's and the hash table of u32", [{ ...OURS, handle: 0, redirect: null }, table, OURS], whole(OURS)],
  ["Tapwire's by matchall", [{ ...OURS, kind: 'matchall', handle: 1 }], whole({ ...OURS, kind: 'matchall' })],
  [
    "another one at Tapwire's pref, which stays",
    [OURS, { ...redirectOf(2, 4, OTHER), handle: 0x80000002 }],
    alone(OURS),
  ],
  ["two of Tapwire's by one classifier", [OURS, { ...OURS, handle: 0x80000002 }], whole(OURS)],
  ["Tapwire's in a chain to which no filter jumps", [{ ...OURS, chain: 5 }], []],
  ["another program's at another pref", [{ ...redirectOf(2, 4, OTHER), pref: 1 }, OURS], whole(OURS)],
  ["Tapwire's on another link", [redirectOf(3, 2)], []],
  ["Tapwire's at the egress", [{ ...OURS, direction: 'egress' }], []],
  ["Tapwire's at another pref", [{ ...OURS, pref: 1 }], []],
  ["only another attachment's", [redirectOf(2, 3, OTHER)], []],
  [
    "one of Tapwire's that changed more of the link",
    [redirectOf(2, 3, KEY, { ...RESTORE, allmulti: true })],
    [],
  ],
] as const satisfies readonly (readonly [string, readonly Filter[], unknown])[]) {
  test(why, () => assert.equal(redirectDeletions(filters, 2, COOKIE), want));
}

test.run();
