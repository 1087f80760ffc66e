import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bindInterfaces } from '../../../../sidecar/domain/bind-interfaces.ts';
import { NO_NEEDS } from '../../../../sidecar/domain/bound-interface.ts';
import { caught } from '../../../helpers/caught.ts';

const bind = suite('bindInterfaces()');

/** Builds `<interface><alias name="red"></alias></interface>` under the alias `red`, and so on. */
const bound = (alias: string) => ({
  name: alias,
  alias,
  render: () => ({
    name: 'interface',
    attributes: {},
    children: [{ name: 'alias', attributes: { name: alias } }],
  }),
  needs: NO_NEEDS,
});

const bindTo = (xml: string, ...aliases: string[]) =>
  bindInterfaces(Buffer.from(xml), aliases.map(bound)).toString();
const RED = '<interface><alias name="red"></alias></interface>';

for (const [why, before, after] of [
  [
    'tabs',
    '<domain>\n\t<devices>\n\t\t<a/>\n\t</devices>\n</domain>',
    '<domain>\n\t<devices>\n\t\t<interface>\n\t\t\t<alias name="red"></alias>\n\t\t</interface>\n\t\t<a/>\n\t</devices>\n</domain>',
  ],
  [
    'two spaces',
    '<domain>\n  <devices>\n    <interface/>\n  </devices>\n</domain>',
    '<domain>\n  <devices>\n    <interface/>\n    <interface>\n      <alias name="red"></alias>\n    </interface>\n  </devices>\n</domain>',
  ],
  [
    'CRLF',
    '<domain>\r\n <devices>\r\n  <interface/>\r\n </devices>\r\n</domain>',
    '<domain>\r\n <devices>\r\n  <interface/>\r\n  <interface>\r\n   <alias name="red"></alias>\r\n  </interface>\r\n </devices>\r\n</domain>',
  ],
  [
    'lines without indentation',
    '<domain>\n<devices>\n<a/>\n</devices>\n</domain>',
    '<domain>\n<devices>\n<interface>\n<alias name="red"></alias>\n</interface>\n<a/>\n</devices>\n</domain>',
  ],
  [
    'lines that begin far to the right',
    `<domain>\n<devices>\n${' '.repeat(201)}<a/></devices></domain>`,
    `<domain>\n<devices>${RED}\n${' '.repeat(201)}<a/></devices></domain>`,
  ],
  ['one line', '<domain><devices><a/></devices></domain>', `<domain><devices>${RED}<a/></devices></domain>`],
  [
    'no devices',
    '<domain>\n\t<devices></devices>\n</domain>',
    '<domain>\n\t<devices>\n\t\t<interface>\n\t\t\t<alias name="red"></alias>\n\t\t</interface>\n\t</devices>\n</domain>',
  ],
  [
    'blank devices',
    '<domain>\n\t<devices>\n\t</devices>\n</domain>',
    '<domain>\n\t<devices>\n\t\t<interface>\n\t\t\t<alias name="red"></alias>\n\t\t</interface>\n\t</devices>\n</domain>',
  ],
  [
    'an empty-element tag',
    '<domain>\n\t<devices a="1" />\n</domain>',
    '<domain>\n\t<devices a="1" >\n\t\t<interface>\n\t\t\t<alias name="red"></alias>\n\t\t</interface>\n\t</devices>\n</domain>',
  ],
  [
    'an empty-element tag on one line',
    '<domain><devices/></domain>',
    `<domain><devices>${RED}</devices></domain>`,
  ],
  [
    'a replaced one on its own line',
    '<domain>\n\t<devices>\n\t\t<interface><alias name="red"/></interface>\n\t</devices>\n</domain>',
    '<domain>\n\t<devices>\n\t\t<interface>\n\t\t\t<alias name="red"></alias>\n\t\t</interface>\n\t</devices>\n</domain>',
  ],
  [
    'a replaced one after another',
    '<domain>\n\t<devices>\n\t\t<a/><interface><alias name="red"/></interface>\n\t</devices>\n</domain>',
    `<domain>\n\t<devices>\n\t\t<a/>${RED}\n\t</devices>\n</domain>`,
  ],
  [
    'devices less indented than the domain',
    '\t<domain>\n<devices>\n\t<interface/>\n</devices>\n</domain>',
    '\t<domain>\n<devices>\n\t<interface/>\n\t<interface>\n\t\t<alias name="red"></alias>\n\t</interface>\n</devices>\n</domain>',
  ],
] as const) {
  bind(`layout: ${why}`, () => {
    const once = bindTo(before, 'red');
    assert.is(once, after);
    assert.is(bindTo(once, 'red'), after);
  });
}

bind(
  'replaced interfaces keep their places, and new ones follow the last interface in the given order',
  () => {
    const one = (alias: string) => `<interface><alias name="${alias}"></alias></interface>`;
    const xml = `<domain><devices>${one('b')}<a/>${one('x')}${one('a')}<c/></devices></domain>`;
    assert.is(
      bindTo(xml, 'new', 'a', 'b', 'also'),
      `<domain><devices>${one('b')}<a/>${one('x')}${one('a')}${one('new')}${one('also')}<c/></devices></domain>`,
    );
  },
);

bind('interfaces elsewhere, of another namespace, or deeper are ignored', () => {
  const elsewhere = `<metadata><devices>${RED}</devices></metadata>`;
  const foreign =
    '<interface xmlns="urn:x"><alias name="red"/></interface><q:interface><alias name="red"/></q:interface>';
  const deeper = `<hub>${RED}</hub><interface><driver><alias name="red"/></driver></interface>`;
  const xml = `<domain>${elsewhere}<devices>${foreign}${deeper}</devices>${elsewhere}</domain>`;
  assert.is(
    bindTo(xml, 'red'),
    `<domain>${elsewhere}<devices>${foreign}${deeper}${RED}</devices>${elsewhere}</domain>`,
  );
});

for (const [why, xml, message] of [
  [
    'another root',
    '<network><devices/></network>',
    'Cannot read domain XML: its root is <network>, not <domain>',
  ],
  [
    'a root of another namespace',
    '<domain xmlns="urn:x"><devices/></domain>',
    'Cannot read domain XML: its root is <domain>, not <domain>',
  ],
  ['no devices', '<domain/>', 'Cannot read domain XML: it has no <devices>'],
  [
    'devices of another namespace',
    '<domain><devices xmlns="urn:x"/></domain>',
    'Cannot read domain XML: it has no <devices>',
  ],
  [
    'devices twice',
    '<domain><devices/><devices/></domain>',
    'Cannot read domain XML: it has more than one <devices>',
  ],
  [
    'the alias twice',
    `<domain><devices>${RED}<a/>${RED}</devices></domain>`,
    'Cannot bind interface "red": the domain has 2 interfaces with alias "red"',
  ],
] as const) {
  bind(`refuses ${why}`, async () => {
    const error = await caught(() => bindTo(xml, 'red'));
    assert.is(error.code, 'INVALID_DOMAIN');
    assert.is(error.message, message);
  });
}

bind.run();
