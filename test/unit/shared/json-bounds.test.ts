import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findExcess, requireBounded } from '../../../shared/json-bounds.ts';
import { caught } from '../../helpers/caught.ts';
import { vmiJson } from '../../helpers/sidecar/vmi.ts';

const bounded = suite('requireBounded()');

const check = (json: string) => requireBounded(Buffer.from(json), 'the VMI', 'INVALID_VMI');
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

for (const [why, json] of [
  ['nothing', ''],
  ['a VMI', vmiJson().toString()],
  ['64 levels', nested(64)],
  ['65 levels one after another', `[${'[],{},'.repeat(65)}1]`],
  ['brackets and commas in strings', `["${'[{,'.repeat(200_000)}"]`],
  ['escaped quotes', `["${'\\"['.repeat(70)}","\\\\",[]]`],
  ['a string without an end', `["${'['.repeat(70)}`],
  ['19,998 commas', `[${'1,'.repeat(19_998)}1]`],
] as const) {
  bounded(`lets ${why} pass`, () => check(json));
}

for (const [why, json, reason] of [
  ['65 levels', nested(65), 'it is nested more than 64 deep'],
  ['65 levels of objects', '{"a":'.repeat(65), 'it is nested more than 64 deep'],
  [
    'brackets after a string that ends with a backslash',
    `["\\\\",${nested(64)}]`,
    'it is nested more than 64 deep',
  ],
  ['20,000 numbers', `[${'1,'.repeat(19_999)}1]`, 'it has more than 20000 values'],
  ['20,000 empty arrays without a comma', '[]'.repeat(20_000), 'it has more than 20000 values'],
  ['more than 1 MiB', ' '.repeat(1024 * 1024 + 1), 'it has 1048577 bytes, more than 1048576'],
] as const) {
  bounded(`refuses ${why}`, async () => {
    const error = await caught(() => check(json));
    assert.is(error.code, 'INVALID_VMI');
    assert.is(error.message, `Cannot read the VMI: ${reason}`);
  });
}

bounded(
  'findExcess() names the limit that is exceeded first, and leaves the number of values to its caller',
  () => {
    const excess = (json: string, maxValues: number) => findExcess(Buffer.from(json), maxValues);
    const many = `[${'1,'.repeat(30_000)}1]`;
    assert.is(excess(many, Number.POSITIVE_INFINITY), null);
    assert.is(excess(many, 30_000), 'values');
    assert.is(excess(many + nested(65), 30_000), 'values');
    assert.is(excess(nested(65) + many, 30_000), 'depth');
    assert.is(excess(nested(65).padEnd(1024 * 1024 + 1), 30_000), 'size');
  },
);

bounded.run();
