import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nested, struct, text, u32 } from '../../../../shared/netlink/attribute.ts';
import {
  decodeFilter,
  filterDeletion,
  isHashTable,
  redirectAddition,
} from '../../../../shared/rtnetlink/filter.ts';

const test = suite('filters');

const toBytes = (words: Iterable<number>): Buffer => Buffer.from(Uint32Array.from(words).buffer);

const COOKIE = '00112233445566778899aabbccddeeff';

for (const classifier of ['matchall', 'u32'] as const) {
  for (const qdisc of ['clsact', 'ingress'] as const) {
    test(`decodeFilter() reads what redirectAddition() writes, with ${classifier} in ${qdisc}`, () => {
      const { body, type } = redirectAddition(
        { from: 2, qdisc, to: 3, pref: 29815, cookie: COOKIE },
        classifier,
      );
      assert.is(type, 44); // RTM_NEWTFILTER
      assert.is(body[3], qdisc === 'clsact' ? 0xfffffff2 : 0xffff0000);
      assert.equal(decodeFilter({ body: toBytes(body) }, qdisc, 'ingress'), {
        ifindex: 2,
        qdisc,
        direction: 'ingress',
        kind: classifier,
        pref: 29815,
        handle: 1,
        chain: 0,
        protocol: 3,
        verdict: 'deadly',
        program: null,
        redirect: { to: 3, cookie: COOKIE },
        rule: null,
      });
    });
  }
}

/**
 * The bytes on the wire. This kernel accepts only u32; those of matchall were compared with what
 * tc(8) sends.
 */
const GOLDEN = {
  matchall:
    '000000000200000001000000f2ffffff0003ffff0d0001006d61746368616c6c00000000500002804c000280' +
    '480001800b0001006d697272656400001400060000112233445566778899aabbccddeeff2400028020000200' +
    '00000000000000000400000000000000000000000100000003000000',
  u32:
    '000000000200000001000000f2ffffff0003ffff080001007533320074000280240005000100010000000000' +
    '0000000000000000000000000000000000000000000000004c000780480001800b0001006d69727265640000' +
    '1400060000112233445566778899aabbccddeeff240002802000020000000000000000000400000000000000' +
    '000000000100000003000000',
} as const;

for (const classifier of ['matchall', 'u32'] as const) {
  test(`redirectAddition() with ${classifier} writes the bytes that the kernel expects`, () => {
    const filter = { from: 2, qdisc: 'clsact', to: 3, pref: 65535, cookie: COOKIE } as const;
    assert.is(toBytes(redirectAddition(filter, classifier).body).toString('hex'), GOLDEN[classifier]);
  });
}

for (const [protocol, want] of [
  [0x0003, '0000000002000000' + '01000080f2ffffff' + '0003ffff' + '0800010075333200'],
  [0x0800, '0000000002000000' + '01000080f2ffffff' + '0800ffff' + '0800010075333200'],
  [0x88a8, '0000000002000000' + '01000080f2ffffff' + '88a8ffff' + '0800010075333200'],
] as const) {
  test(`filterDeletion() names the protocol 0x${protocol.toString(16)} of the filter`, () => {
    const { type, flags, body } = filterDeletion({
      ...{ ifindex: 2, qdisc: 'clsact', direction: 'ingress', kind: 'u32' },
      ...{ pref: 65535, handle: 0x80000001, protocol },
    } as const);
    assert.equal([type, flags, toBytes(body).toString('hex')], [45, 0, want]); // RTM_DELTFILTER
  });
}

/** An empty filter of this kind with one mirred action, built by hand from the kernel's headers. */
function foreignFilter(kind: string, actionsAttribute: number, what: number): Buffer {
  const parameters = [0, 0, 0, 0, 0, what, 7];
  const action = nested(1, text(1, 'mirred'), nested(2, struct(2, parameters)));
  return toBytes([
    ...[0, 0, 0, 0, 0],
    ...text(1, kind),
    ...nested(2, nested(actionsAttribute, action)),
    ...u32(11, 5),
  ]);
}

for (const [kind, actionsAttribute] of [
  ['matchall', 2],
  ['u32', 7],
  ['bpf', 1],
  ['flower', 3],
  ['basic', 3],
] as const) {
  for (const [what, redirect] of [
    [1, { to: 7, cookie: null }],
    [2, null], // Mirrored frames continue.
    [3, { to: 7, cookie: null }],
    [4, null],
  ] as const) {
    test(`decodeFilter() finds where ${kind} sends frames, mirred ${what}`, () => {
      const filter = decodeFilter({ body: foreignFilter(kind, actionsAttribute, what) }, 'clsact', 'ingress');
      assert.equal([filter.redirect, filter.chain], [redirect, 5]);
    });
  }
}

test('isHashTable() distinguishes filters of u32 from its tables', () => {
  const filter = {
    ifindex: 2,
    qdisc: 'clsact',
    direction: 'ingress',
    pref: 1,
    chain: 0,
    redirect: null,
    rule: null,
    protocol: 3,
    verdict: 'unknown',
    program: null,
  } as const;
  const is = (kind: string, handle: number) => isHashTable({ ...filter, kind, handle });
  assert.equal([is('u32', 0), is('u32', 0x80000000), is('u32', 0x80100000)], [true, true, true]);
  assert.equal([is('u32', 0x80000001), is('u32', 0x80000800), is('matchall', 1)], [false, false, false]);
});

test.run();
