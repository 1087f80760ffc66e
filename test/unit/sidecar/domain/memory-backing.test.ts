import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { shareMemory } from '../../../../sidecar/domain/memory-backing.ts';
import { splice } from '../../../../sidecar/xml/edit.ts';
import { parseXml } from '../../../../sidecar/xml/xml.ts';
import { caught } from '../../../helpers/caught.ts';

const share = suite('shareMemory()');

function shared(xml: string): string {
  const { text, root } = parseXml(Buffer.from(xml));
  return splice(text, shareMemory(text, root, 'red'));
}

const MEMFD = '<source type="memfd"></source>';
const ACCESS = '<access mode="shared"></access>';

for (const [why, before, after] of [
  [
    'none: added at the end, in the layout of the rest',
    '<domain>\n  <devices/>\n</domain>',
    `<domain>\n  <devices/>\n  <memoryBacking>\n    ${MEMFD}\n    ${ACCESS}\n  </memoryBacking>\n</domain>`,
  ],
  [
    'an empty one',
    '<domain>\n\t<memoryBacking/>\n</domain>',
    `<domain>\n\t<memoryBacking>\n\t\t${MEMFD}\n\t\t${ACCESS}\n\t</memoryBacking>\n</domain>`,
  ],
  [
    'huge pages keep their source',
    '<domain><memoryBacking><hugepages/></memoryBacking></domain>',
    `<domain><memoryBacking><hugepages/>${ACCESS}</memoryBacking></domain>`,
  ],
  [
    'a source of its own stays',
    '<domain><memoryBacking><source type="file"/><allocation mode="immediate"/></memoryBacking></domain>',
    `<domain><memoryBacking><source type="file"/><allocation mode="immediate"/>${ACCESS}</memoryBacking></domain>`,
  ],
  [
    'shared already',
    "<domain><memoryBacking><access mode='shared'/></memoryBacking></domain>",
    "<domain><memoryBacking><access mode='shared'/></memoryBacking></domain>",
  ],
] as const) {
  share(why, () => {
    assert.is(shared(before), after);
    assert.is(shared(after), after);
  });
}

for (const [why, xml, message] of [
  [
    'private memory',
    '<domain><memoryBacking><access mode="private"/></memoryBacking></domain>',
    `Cannot bind interface "red": it needs shared guest memory, but the domain's memoryBacking has access mode "private"; use a ` +
      'binding without vhost-user (for passt, set TAPWIRE_PASST_BACKEND=user)',
  ],
  [
    'two of them',
    '<domain><memoryBacking/><memoryBacking/></domain>',
    'Cannot bind interface "red": the domain has more than one <memoryBacking>',
  ],
] as const) {
  share(`refuses ${why}`, async () => {
    const error = await caught(() => shared(xml));
    assert.is(error.code, 'INVALID_DOMAIN');
    assert.is(error.message, message);
  });
}

share.run();
