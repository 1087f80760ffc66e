import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { struct, u32, type Words } from '../../../../shared/netlink/attribute.ts';
import { programContent, selectorContent } from '../../../../shared/rtnetlink/rule-content.ts';
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

const test = suite('decodeRule()');

const ID = 0xdeadbeef;
const U32_ID = u32(1, ID);
const BPF_ID = u32(3, ID);
const DIRECT = u32(8, 1);

const ruleOf = (kind: string, ...options: readonly Words[]) => filterOf(kind, 3, ...options).rule;

for (const [why, kind, options] of [
  ['u32 without a class id', 'u32', [EVERYTHING]],
  ['u32 without a selector', 'u32', [U32_ID]],
  ['u32 whose selector is cut off', 'u32', [U32_ID, struct(5, [1, 0])]],
  ['bpf without a class id', 'bpf', [DIRECT, classicReturn(2)]],
  ['bpf with an eBPF program', 'bpf', [BPF_ID, DIRECT, u32(11, 12)]],
  ['matchall', 'matchall', [u32(1, ID), u32(3, ID)]],
] as const satisfies readonly (readonly [string, string, readonly Words[]])[]) {
  test(`${why} is not a rule`, () => assert.is(ruleOf(kind, ...options), null));
}

test('the content is FNV-1a of known bytes', () => {
  assert.is(selectorContent(Buffer.from('01000000000000000000000000000000', 'hex'), 'none'), 0x0bca446c);
  assert.is(programContent(Buffer.from('0600000002000000', 'hex')), 0xb394b620);
});

test('the content of u32 ignores what the kernel may fill in', () => {
  const [head = 0, first = 0, ...rest] = selector(TERMINAL, [0xff, 1, 8]);
  const filled: Words = [head, (first | 0xff00) >>> 0, 0x12345678, 0x9abcdef0, 0x11111111, ...rest.slice(3)];
  assert.equal(ruleOf('u32', U32_ID, filled), ruleOf('u32', U32_ID, [head, first, ...rest]));
});

test('the content of u32 says whether the filter has an action, and whether that redirects', () => {
  const contents = [[], [actions(7, gact(2))], [actions(7, mirred(1, 4))]].map(
    (action) => ruleOf('u32', U32_ID, EVERYTHING, ...action)?.content,
  );
  assert.is(new Set(contents).size, 3);
});

test('the content of bpf says whether the return value is the action', () => {
  const [direct, other] = [[DIRECT], []].map(
    (flags) => ruleOf('bpf', BPF_ID, classicReturn(2), ...flags)?.content,
  );
  assert.is(direct, programContent(Buffer.from('0600000002000000', 'hex')));
  assert.is.not(other, direct);
});

test.run();
