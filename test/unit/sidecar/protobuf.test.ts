import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, readFields, writeBytes } from '../../../sidecar/protobuf.ts';
import { caught } from '../../helpers/caught.ts';

const read = suite('readFields()');

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

read('reads length-delimited and varint fields in wire order', () => {
  assert.equal(readFields(hex('0a 02 6869 10 96 01 1a 00')), [
    { number: 1, kind: 'bytes', value: hex('6869') },
    { number: 2, kind: 'varint', value: 150 },
    { number: 3, kind: 'bytes', value: hex('') },
  ]);
});

for (const [what, bytes] of [
  ['fixed64', '09 0102030405060708 12 01 61'],
  ['fixed32', '0d 01020304 12 01 61'],
  ['a negative int32, which takes ten bytes', '08 ff ff ff ff ff ff ff ff ff 01 12 01 61'],
  ['a field with the largest number', 'fa ff ff ff 0f 01 62 12 01 61'],
] as const) {
  read(`goes on behind ${what}`, () => {
    assert.is(Buffer.from(bytesOf(readFields(hex(bytes)), 2)).toString(), 'a');
  });
}

for (const [why, bytes, reason] of [
  ['a tag without value', '08', 'message ends within a number at byte 1 of 1'],
  ['an unfinished varint', '08 80', 'message ends within a number at byte 2 of 2'],
  [
    'an endless varint',
    '08 ff ff ff ff ff ff ff ff ff ff ff',
    'number is longer than 10 bytes at byte 11 of 12',
  ],
  ['a length beyond the end', '0a 05 61', 'field of 5 bytes runs past the end at byte 2 of 3'],
  [
    'a length of 2^63',
    '0a ff ff ff ff ff ff ff ff 7f',
    'field of 9223372036854776000 bytes runs past the end at byte 10 of 10',
  ],
  ['a short fixed64', '09 01', 'field of 8 bytes runs past the end at byte 1 of 2'],
  ['a short fixed32', '0d 01', 'field of 4 bytes runs past the end at byte 1 of 2'],
  ['field number 0', '02 00', 'field number 0 is out of range at byte 1 of 2'],
  ['a field number of 2^29', '82 80 80 80 10 00', 'field number 536870912 is out of range at byte 5 of 6'],
  ['1,001 fields', '0800'.repeat(1001), 'message has more than 1000 fields at byte 2000 of 2002'],
  ['a group', '0b 0c', 'wire type 3 is unknown at byte 1 of 2'],
  ['wire type 7', '0f', 'wire type 7 is unknown at byte 1 of 1'],
] as const) {
  read(`refuses ${why}`, async () => {
    const error = await caught(() => readFields(hex(bytes)));
    assert.is(error.code, 'INVALID_REQUEST');
    assert.is(error.message, `Cannot read hook request: ${reason}`);
  });
}

read('never reads past a message cut at any byte', async () => {
  const whole = Buffer.concat([writeBytes(1, 'x'.repeat(300)), hex('10 96 01'), writeBytes(3, 'y')]);
  for (let length = 0; length < whole.length; length++) {
    try {
      for (const field of readFields(whole.subarray(0, length))) {
        if (field.kind === 'bytes') assert.ok(field.value.length <= length);
      }
    } catch (error) {
      assert.is((await caught(() => Promise.reject(error))).code, 'INVALID_REQUEST');
    }
  }
});

read.run();

const bytes = suite('bytesOf()');

bytes('takes the last of several, skips another wire type, and is empty for none', () => {
  const fields = readFields(hex('0a 01 61 0a 01 62 08 05 12 00'));
  assert.is(Buffer.from(bytesOf(fields, 1)).toString(), 'b');
  assert.is(bytesOf(fields, 7).length, 0);
});

bytes.run();

const write = suite('writeBytes()');

for (const [length, prefix] of [
  [0, '0a 00'],
  [127, '0a 7f'],
  [128, '0a 80 01'],
  [4 * 1024 * 1024, '0a 80 80 80 02'],
] as const) {
  write(`${length} bytes: prefix ${prefix}`, () => {
    const written = writeBytes(1, Buffer.alloc(length, 'a'));
    assert.is(written.subarray(0, written.length - length).toString('hex'), prefix.replaceAll(' ', ''));
    assert.is(bytesOf(readFields(written), 1).length, length);
  });
}

write('text is UTF-8, and a number above 15 takes two bytes', () => {
  assert.is(writeBytes(16, 'é').toString('hex'), '820102c3a9');
});

write.run();
