import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { overrideEdits } from '../../../../sidecar/domain/qemu-override.ts';
import { splice } from '../../../../sidecar/xml/edit.ts';
import { parseXml } from '../../../../sidecar/xml/xml.ts';

const edits = suite('overrideEdits()');

const NS = 'xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"';
const RED = { alias: 'ua-red', property: 'netdev', value: 'n1' };

function changed(xml: string, overrides = [RED]): string {
  const { text, root } = parseXml(Buffer.from(xml));
  return splice(text, overrideEdits(text, root, overrides));
}

const property = (name: string, value: string) =>
  `<qemu:property name="${name}" type="string" value="${value}"></qemu:property>`;
const frontend = (inner: string) => `<qemu:frontend>${inner}</qemu:frontend>`;
const device = (alias: string, inner: string) => `<qemu:device alias="${alias}">${inner}</qemu:device>`;
const domain = (inner: string) => `<domain ${NS}><a/>${inner}</domain>`;
const override = (inner: string) => domain(`<qemu:override>${inner}</qemu:override>`);
const OURS = frontend(property('netdev', 'n1'));
const MINE = '<qemu:property name="x_y" type="bool" value="true"/>';

for (const [why, before, after] of [
  ['none', domain(''), override(device('ua-red', OURS))],
  ['an empty one', domain('<qemu:override/>'), override(device('ua-red', OURS))],
  [
    'other devices',
    override(device('ua-blue', frontend(MINE))),
    override(device('ua-blue', frontend(MINE)) + device('ua-red', OURS)),
  ],
  [
    'the device without a frontend',
    override('<qemu:device alias="ua-red"/>'),
    override(device('ua-red', OURS)),
  ],
  [
    'the device with an empty frontend',
    override(device('ua-red', '<qemu:frontend/>')),
    override(device('ua-red', OURS)),
  ],
  [
    'another property of the device',
    override(device('ua-red', frontend(MINE))),
    override(device('ua-red', frontend(MINE + property('netdev', 'n1')))),
  ],
  [
    'another value',
    override(device('ua-red', frontend(property('netdev', 'old') + MINE))),
    override(device('ua-red', frontend(property('netdev', 'n1') + MINE))),
  ],
  [
    'another type',
    override(device('ua-red', frontend('<qemu:property name="netdev" type="unsigned" value="n1"/>'))),
    override(device('ua-red', OURS)),
  ],
  [
    'unchanged',
    override(device('ua-red', frontend("<qemu:property value='n1'  type='string' name='netdev'/>"))),
    override(device('ua-red', frontend("<qemu:property value='n1'  type='string' name='netdev'/>"))),
  ],
] as const) {
  edits(why, () => {
    assert.is(changed(before), after);
    assert.is(changed(after), after);
  });
}

edits('edits follow the layout of the rest', () => {
  assert.is(
    changed(`<domain ${NS}>\n  <a/>\n</domain>`),
    `<domain ${NS}>\n  <a/>\n  <qemu:override>\n    <qemu:device alias="ua-red">\n      <qemu:frontend>\n        ${property('netdev', 'n1')}\n` +
      '      </qemu:frontend>\n    </qemu:device>\n  </qemu:override>\n</domain>',
  );
});

edits('several at once are replaced and added', () => {
  const before = override(device('ua-blue', frontend(property('netdev', 'old'))));
  const wanted = ['red', 'blue', 'green'].map((name) => ({ ...RED, alias: `ua-${name}` }));
  assert.is(
    changed(before, wanted),
    override(['ua-blue', 'ua-red', 'ua-green'].map((alias) => device(alias, OURS)).join('')),
  );
});

edits.run();
