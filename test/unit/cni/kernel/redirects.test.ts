import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { redirectDeletions } from '../../../../cni/kernel/redirects.ts';
import { encodeCookie } from '../../../../cni/plan/cookie.ts';
import { type Filter, filterDeletion } from '../../../../shared/rtnetlink/filter.ts';
import { KEY, OTHER, redirectOf } from '../../../helpers/seen.ts';

const test = suite('redirectDeletions()');

const RESTORE = { clsact: true, allmulti: false, noQueue: false, down: false, silence: false };
const COOKIE = encodeCookie(KEY, RESTORE);
const OURS = redirectOf(2, 3);
/** Without a handle all that is at our pref goes. */
const whole = (filter: Filter) => [filterDeletion({ ...filter, handle: 0 })];
const alone = (filter: Filter) => [filterDeletion(filter)];
const table = { ...OURS, handle: 0x80000000, redirect: null };

for (const [why, filters, want] of [
  ['no filter at all', [], []],
  ['ours alone', [OURS], whole(OURS)],
  ['ours and the hash table of u32', [{ ...OURS, handle: 0, redirect: null }, table, OURS], whole(OURS)],
  ['ours by matchall', [{ ...OURS, kind: 'matchall', handle: 1 }], whole({ ...OURS, kind: 'matchall' })],
  [
    'another one at our pref, which stays',
    [OURS, { ...redirectOf(2, 4, OTHER), handle: 0x80000002 }],
    alone(OURS),
  ],
  ['two of ours by one classifier', [OURS, { ...OURS, handle: 0x80000002 }], whole(OURS)],
  ['ours in a chain to which nobody jumps', [{ ...OURS, chain: 5 }], []],
  ["somebody else's at another pref", [{ ...redirectOf(2, 4, OTHER), pref: 1 }, OURS], whole(OURS)],
  ['ours on another link', [redirectOf(3, 2)], []],
  ['ours at the egress', [{ ...OURS, direction: 'egress' }], []],
  ['ours at another pref', [{ ...OURS, pref: 1 }], []],
  ["another attachment's alone", [redirectOf(2, 3, OTHER)], []],
  ['one of ours that changed more of the link', [redirectOf(2, 3, KEY, { ...RESTORE, allmulti: true })], []],
] as const satisfies readonly (readonly [string, readonly Filter[], unknown])[]) {
  test(why, () => assert.equal(redirectDeletions(filters, 2, COOKIE), want));
}

test.run();
