import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_INPUT, parseInput } from '../../../../cni/request/input.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('parseInput()');

const nest = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const TOO_DEEP = 'Cannot parse the network configuration: nested more than 64 levels deep';

test('reads JSON', () => {
  assert.equal(parseInput(Buffer.from('{"a": ["\\"[{", 1]}')), { a: ['"[{', 1] });
  assert.ok(parseInput(Buffer.from(`{"a":${nest(63)}}`)));
  assert.equal(parseInput(Buffer.from('null')), {});
});

test('does not count brackets in strings as nesting', () => {
  const text = `\\"${'['.repeat(100)}\\\\`;
  assert.equal(parseInput(Buffer.from(`{"a":"${text}"}`)), { a: `"${'['.repeat(100)}\\` });
});

for (const [why, input, message] of [
  [
    'one byte too many',
    Buffer.alloc(MAX_INPUT + 1, ' '),
    'Cannot read the network configuration: more than 1048576 bytes',
  ],
  ['65 levels', Buffer.from(nest(65)), TOO_DEEP],
  ['1 MiB of [', Buffer.alloc(MAX_INPUT, '['), TOO_DEEP],
  ['1 MiB of {"a":', Buffer.from('{"a":'.repeat(200_000)), TOO_DEEP],
  ['an array', Buffer.from('[]'), 'Cannot parse the network configuration: want an object'],
  ['a number', Buffer.from('1'), 'Cannot parse the network configuration: want an object'],
  ['nothing', Buffer.alloc(0), /^Cannot parse the network configuration: /],
  ['1 MiB of escaped quotes', Buffer.alloc(MAX_INPUT, '\\"'), /^Cannot parse the network configuration: /],
  ['bytes that are not text', Buffer.from([0xff, 0xfe, 0x00]), /^Cannot parse the network configuration: /],
] as const) {
  test(`rejects ${why}`, async () => {
    const error = await caught(() => parseInput(input));
    assert.is(error.code, 'INVALID_JSON');
    if (typeof message === 'string') assert.is(error.message, message);
    else assert.match(error.message, message);
  });
}

test.run();
