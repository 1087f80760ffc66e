import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeCookie, restoreOf } from '../../../../cni/plan/cookie.ts';
import type { Restore } from '../../../../shared/record.ts';
import { KEY, OTHER } from '../../../helpers/pod/seen.ts';

const test = suite('the cookie');

const RESTORE = { clsact: true, allmulti: false, noQueue: false, down: false, silence: false };

test("restoreOf() reads the flags of the attachment's own cookie only", () => {
  const FLAGS = ['clsact', 'allmulti', 'noQueue', 'down', 'silence'] as const;
  for (let bits = 0; bits < 1 << FLAGS.length; bits++) {
    const restore = Object.fromEntries(FLAGS.map((flag, i) => [flag, (bits & (1 << i)) !== 0]));
    const cookie = encodeCookie(KEY, restore as unknown as Restore);
    assert.is(cookie.slice(30), bits.toString(16).padStart(2, '0'));
    assert.equal(restoreOf(cookie, KEY), restore);
    assert.is(restoreOf(cookie, OTHER), null);
  }
  assert.is(restoreOf(null, KEY), null);
});

test('a container id and ifname that join to the same text have different cookies', () => {
  const cookie = (containerId: string, ifname: string) => encodeCookie({ containerId, ifname }, RESTORE);
  assert.is.not(cookie('ab', 'c'), cookie('a', 'bc'));
});

test.run();
