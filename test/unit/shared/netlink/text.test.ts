import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeText, encodeText } from '../../../../shared/netlink/text.ts';
import { printable } from '../../../../shared/printable.ts';

const test = suite('text of the kernel');

for (const [hex, text, printed] of [
  ['65746830', 'eth0', 'eth0'],
  ['', '', ''],
  ['c3a4', 'ä', 'ä'],
  ['f09f9880', '😀', '😀'],
  ['efbfbd', '\ufffd', '\ufffd'],
  ['ff', '\udcff', '\\xff'],
  ['fe', '\udcfe', '\\xfe'],
  ['61ff62', 'a\udcffb', 'a\\xffb'],
  ['efbfbdff', '\ufffd\udcff', '\ufffd\\xff'],
  ['c3', '\udcc3', '\\xc3'],
  ['f09f98', '\udcf0\udc9f\udc98', '\\xf0\\x9f\\x98'],
  ['c3a4c3c3a4', 'ä\udcc3ä', 'ä\\xc3ä'],
  ['edb3bf', '\udced\udcb3\udcbf', '\\xed\\xb3\\xbf'], // U+DCFF, which UTF-8 does not have
] as const) {
  test(`"${printed}" is read, written and printed`, () => {
    assert.is(decodeText(Buffer.from(hex, 'hex')), text);
    assert.is(encodeText(text).toString('hex'), hex);
    assert.is(printable(text), printed);
  });
}

test('all texts of one or two bytes differ', () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const texts = bytes.flatMap((one) => [Buffer.of(one), ...bytes.map((other) => Buffer.of(one, other))]);
  const read = texts.map((text) => decodeText(text));
  assert.is(new Set(read).size, texts.length);
  for (const [i, text] of texts.entries()) assert.equal(encodeText(read[i] ?? ''), text);
});

test.run();
