import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeFilter, encodeRedirect, isHashTable } from '../../../../shared/rtnetlink/filter.ts';

const test = suite('filters');

const COOKIE = '00112233445566778899aabbccddeeff';

for (const classifier of ['matchall', 'u32'] as const) {
  for (const qdisc of ['clsact', 'ingress'] as const) {
    test(`encodeRedirect() with ${classifier} in ${qdisc} is what decodeFilter() reads`, () => {
      const { body, type } = encodeRedirect(
        { from: 2, qdisc, to: 3, pref: 29815, cookie: COOKIE },
        classifier,
      );
      assert.is(type, 44); // RTM_NEWTFILTER
      assert.is(body.readUInt32LE(12), qdisc === 'clsact' ? 0xfffffff2 : 0xffff0000);
      assert.equal(decodeFilter({ body }, qdisc, 'ingress'), {
        ifindex: 2,
        qdisc,
        direction: 'ingress',
        kind: classifier,
        pref: 29815,
        handle: 1,
        redirect: { to: 3, cookie: COOKIE },
      });
    });
  }
}

test('isHashTable() tells filters of u32 from its tables', () => {
  const filter = { ifindex: 2, qdisc: 'clsact', direction: 'ingress', pref: 1, redirect: null } as const;
  const is = (kind: string, handle: number) => isHashTable({ ...filter, kind, handle });
  assert.equal([is('u32', 0), is('u32', 0x80000000), is('u32', 0x80100000)], [true, true, true]);
  assert.equal([is('u32', 0x80000001), is('u32', 0x80000800), is('matchall', 1)], [false, false, false]);
});

test.run();
