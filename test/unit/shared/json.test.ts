import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { get, isObject } from '../../../shared/json.ts';

const test = suite('get() and isObject()');

const VALUE = JSON.parse('{"a": {"b": [1], "n": null}, "__proto__": {"c": 2}}');

for (const [keys, want] of [
  [[], VALUE],
  [['a', 'b'], [1]],
  [['a', 'n'], null],
  [['a', 'missing'], undefined],
  [['missing', 'a'], undefined],
  [['a', 'n', 'c'], undefined],
  [['a', 'b', '0'], undefined],
  [['__proto__', 'c'], 2],
  [['constructor'], undefined],
  [['a', 'toString'], undefined],
] as const) {
  test(`get() reads own properties only: ${keys.join('.') || 'no key'}`, () => {
    assert.equal(get(VALUE, ...keys), want);
  });
}

test('isObject() accepts neither arrays nor null', () => {
  assert.equal([{}, [], null, 'a', 1, undefined].map(isObject), [true, false, false, false, false, false]);
});

test.run();
