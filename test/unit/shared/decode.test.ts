import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  array,
  boolean,
  type Decoder,
  either,
  fields,
  foldedFields,
  integer,
  object,
  oneOf,
  optional,
  parseJson,
  string,
  unset,
} from '../../../shared/decode.ts';
import { caught } from '../../helpers/caught.ts';

const test = suite('decode');

const pair = fields({ a: string, b: optional(integer(0, 9), null) });
const cases: readonly (readonly [string, Decoder<unknown>, unknown, unknown])[] = [
  ['string', string, 'x', 'x'],
  ['boolean', boolean, false, false],
  ['integer at its bounds', array(integer(-1, 1)), [-1, 1], [-1, 1]],
  ['oneOf', oneOf('a', 'b'), 'b', 'b'],
  ['either', either(integer(0, 1), oneOf('none'), '…'), 'none', 'none'],
  ['an empty array', array(string), [], []],
  ['an object', object, { x: 1 }, { x: 1 }],
  ['optional, absent', optional(string, 'fallback'), undefined, 'fallback'],
  ['optional, null', optional(string, 'fallback'), null, 'fallback'],
  ['unset, absent', unset(string, 'fallback'), undefined, 'fallback'],
  ['unset, null', unset(string, 'fallback'), null, 'fallback'],
  ['unset, empty', unset(string, 'fallback'), '', 'fallback'],
  ['unset, a value', unset(string, 'fallback'), 'x', 'x'],
  ['unset, zero of a number', unset(integer(1, 2), null, 0), 0, null],
  ['unset, -1 for none', unset(integer(0, 2), null, -1), -1, null],
  ['unset, zero that is a value', unset(integer(0, 2), null), 0, 0],
  ['fields ignore the rest', pair, { a: 'x', c: 1 }, { a: 'x', b: null }],
];
for (const [why, decode, value, want] of cases) {
  test(`reads ${why}`, () => {
    assert.equal(decode(value, '$'), want);
  });
}

const refusals: readonly (readonly [Decoder<unknown>, unknown, string])[] = [
  [string, 1, 'Cannot read $: want a string, got 1'],
  [string, undefined, 'Cannot read $: want a string, got nothing'],
  [boolean, 'true', 'Cannot read $: want true or false, got "true"'],
  [integer(1, 2), 3, 'Cannot read $: want an integer in 1..2, got 3'],
  [integer(1, 2), 1.5, 'Cannot read $: want an integer in 1..2, got 1.5'],
  [integer(1, 2), Number.NaN, 'Cannot read $: want an integer in 1..2, got null'],
  [oneOf('a', 'b'), 'c', 'Cannot read $: want "a" or "b", got "c"'],
  [either(integer(0, 1), oneOf('none'), '0, 1 or "none"'), 2, 'Cannot read $: want 0, 1 or "none", got 2'],
  [array(string), {}, 'Cannot read $: want an array, got {}'],
  [array(string), ['a', 1], 'Cannot read $[1]: want a string, got 1'],
  [object, [], 'Cannot read $: want an object, got []'],
  [object, null, 'Cannot read $: want an object, got null'],
  [pair, { b: 1 }, 'Cannot read $.a: want a string, got nothing'],
  [
    fields({ x: array(pair) }),
    { x: [{ a: 'x', b: 10 }] },
    'Cannot read $.x[0].b: want an integer in 0..9, got 10',
  ],
];
for (const [decode, value, message] of refusals) {
  test(`rejects: ${message}`, async () => {
    const error = await caught(() => decode(value, '$'));
    assert.equal([error.code, error.message], ['INVALID_CONFIG', message]);
  });
}

test('fields() and foldedFields() read own properties only', async () => {
  for (const decode of [pair, foldedFields({ a: string })]) {
    const error = await caught(() => decode(Object.create({ a: 'x', A: 'x' }), '$'));
    assert.is(error.message, 'Cannot read $.a: want a string, got nothing');
  }
});

test('foldedFields() prefers the exact key and names the one it read', async () => {
  const decode = foldedFields({ mtu: integer(0, 9) });
  assert.equal([decode({ MTU: 1 }, '$'), decode({ MTU: 1, mtu: 2 }, '$')], [{ mtu: 1 }, { mtu: 2 }]);
  assert.is(
    (await caught(() => decode({ Mtu: 10 }, '$'))).message,
    'Cannot read $.Mtu: want an integer in 0..9, got 10',
  );
});

test('shows a value as one bounded line', async () => {
  const error = await caught(() => integer(0, 1)(`line\n${'x'.repeat(1000)}`, '$'));
  assert.ok(error.message.length < 140 && !error.message.includes('\n'), error.message);
});

test('parseJson() names what could not be read', async () => {
  assert.equal(parseJson('{"a": 1}', 'network configuration'), { a: 1 });
  const error = await caught(() => parseJson('{', 'network configuration'));
  assert.is(error.code, 'INVALID_JSON');
  assert.match(error.message, /^Cannot parse the network configuration: /);
});

test.run();
