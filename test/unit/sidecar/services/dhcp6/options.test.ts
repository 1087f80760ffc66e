import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeOptions } from '../../../../../sidecar/services/dhcp6/options.ts';

const test = suite('encodeOptions()');

const option = (code: number, ...items: readonly string[]) => ({
  code,
  items: items.map((item) => Buffer.from(item, 'hex')),
});

for (const [why, options, room, want] of [
  ['all options', [option(1, 'aa'), option(258, 'bb', 'ccdd')], 12, '00010001aa' + '01020003bbccdd'],
  ['an option of no length', [option(14, '')], 4, '000e0000'],
  ['no option without items', [option(23), option(1, 'aa')], 99, '00010001aa'],
  ['the items that fit', [option(1, 'aa'), option(2, 'bb', 'ccdd')], 11, '00010001aa' + '00020001bb'],
  ['no option of which no item fits', [option(1, 'aa'), option(2, 'bb')], 9, '00010001aa'],
  ['no option without room for its header', [option(1, 'aa'), option(14, '')], 8, '00010001aa'],
  ['later options that still fit', [option(1, 'aabb'), option(2, 'cc')], 5, '00020001cc'],
] as const) {
  test(`writes ${why}`, () => assert.is(encodeOptions(options, room).toString('hex'), want));
}

test.run();
