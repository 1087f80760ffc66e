import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { printable, printableJson, printableLines } from '../../../shared/printable.ts';

const test = suite('printable()');

test('escapes what controls a terminal, ends a line, or is not text', () => {
  for (const [why, text, shown] of [
    ['ordinary text', 'eth0 "ä" 日本 🦊 \\', 'eth0 "ä" 日本 🦊 \\'],
    ['C0', '\0\t\n\x1b[2J', '\\u0000\\u0009\\u000a\\u001b[2J'],
    ['DEL and C1', '\x7f\x85\x9b', '\\u007f\\u0085\\u009b'],
    ['right-to-left override', 'a\u202eb', 'a\\u202eb'],
    ['line and paragraph separators', '\u2028\u2029', '\\u2028\\u2029'],
    ['lone surrogates', '\ud800a\udfff', '\\ud800a\\udfff'],
    ['surrogates in the wrong order', '\udc00\ud800', '\\udc00\\ud800'],
    ['noncharacters', '\ufdd0\ufffe\uffff', '\\ufdd0\\ufffe\\uffff'],
    ['noncharacters of other planes', '\u{1fffe}\u{10ffff}', '\\ud83f\\udffe\\udbff\\udfff'],
    ['format characters of other planes', '\u{e0001}', '\\udb40\\udc01'],
    ['the replacement of invalid UTF-8', '\ufffd', '\ufffd'],
  ] as const) {
    assert.is(printable(text), shown, why);
    assert.is(printable(shown), shown, `${why}: twice`);
  }
});

/** Every character, and every lone surrogate. */
const ALL = Array.from({ length: 0x110000 }, (_, code) => String.fromCodePoint(code));

test('leaves only characters that XML has', () => {
  // XML 1.0, production 2: Char
  const isXml = /^[\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]$/u;
  const unlike = ALL.filter((character) => ![...printable(character)].every((one) => isXml.test(one)));
  assert.equal(unlike, []);
});

test('printableLines() keeps line breaks only', () => {
  assert.is(printableLines('a\n\x1b\n\r\n'), 'a\n\\u001b\n\\u000d\n');
});

test('printableJson() prints the same value without unsafe characters', () => {
  const value = { text: ALL.join(''), [ALL.slice(0, 0x100).join('')]: ['\u009b', 1, null, {}] };
  const json = printableJson(value);
  assert.equal(JSON.parse(json), value);
  assert.is(printableLines(json), json);
  assert.is(printableJson({ a: ['x'] }), '{\n  "a": [\n    "x"\n  ]\n}\n');
});

test.run();
