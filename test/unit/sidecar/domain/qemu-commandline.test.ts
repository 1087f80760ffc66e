import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { argumentEdits } from '../../../../sidecar/domain/qemu-commandline.ts';
import { declarePrefix } from '../../../../sidecar/domain/qemu-namespace.ts';
import { splice } from '../../../../sidecar/xml/edit.ts';
import { parseXml } from '../../../../sidecar/xml/xml.ts';
import { caught } from '../../../helpers/caught.ts';

const edits = suite('argumentEdits()');

const URI = 'http://libvirt.org/schemas/domain/qemu/1.0';
const NS = `xmlns:qemu="${URI}"`;
const N1 = { option: '-netdev', id: 'n1', value: 'user,id=n1,net=x' };
const N2 = { option: '-netdev', id: 'n2', value: 'user,id=n2' };

function changed(xml: string, args = [N1]): string {
  const { text, root } = parseXml(Buffer.from(xml));
  return splice(text, [...declarePrefix(root), ...argumentEdits(text, root, args)]);
}

const arg = (value: string, prefix = 'qemu:') => `<${prefix}arg value="${value}"></${prefix}arg>`;
const OURS = arg('-netdev') + arg(N1.value);

for (const [why, before, after] of [
  [
    'none: added with the prefix declared',
    '<domain type="kvm">\n\t<a/>\n</domain>',
    `<domain ${NS} type="kvm">\n\t<a/>\n\t<qemu:commandline>\n\t\t${arg('-netdev')}\n\t\t${arg(N1.value)}\n\t</qemu:commandline>\n</domain>`,
  ],
  [
    'an empty one',
    `<domain ${NS}><qemu:commandline/></domain>`,
    `<domain ${NS}><qemu:commandline>${OURS}</qemu:commandline></domain>`,
  ],
  [
    'after those of others, and their environment',
    `<domain ${NS}><qemu:commandline><qemu:env name="A" value="1"/><qemu:arg value='-M'/></qemu:commandline></domain>`,
    `<domain ${NS}><qemu:commandline><qemu:env name="A" value="1"/><qemu:arg value='-M'/>${OURS}</qemu:commandline></domain>`,
  ],
  [
    'unchanged',
    `<domain ${NS}><qemu:commandline><qemu:arg value='-netdev'/><qemu:arg value='${N1.value}' /></qemu:commandline></domain>`,
    `<domain ${NS}><qemu:commandline><qemu:arg value='-netdev'/><qemu:arg value='${N1.value}' /></qemu:commandline></domain>`,
  ],
  [
    'another value under the same id',
    `<domain ${NS}><qemu:commandline>${arg('-netdev') + arg('user,net=y,id=n1') + arg('-M')}</qemu:commandline></domain>`,
    `<domain ${NS}><qemu:commandline>${OURS + arg('-M')}</qemu:commandline></domain>`,
  ],
  [
    'an id that only starts the same, and one of another option',
    `<domain ${NS}><qemu:commandline>${arg('-netdev') + arg('user,id=n11') + arg('-device') + arg('e1000,id=n1')}</qemu:commandline></domain>`,
    `<domain ${NS}><qemu:commandline>${arg('-netdev') + arg('user,id=n11') + arg('-device') + arg('e1000,id=n1') + OURS}</qemu:commandline></domain>`,
  ],
  [
    'an id within a value',
    `<domain ${NS}><qemu:commandline>${arg('-netdev') + arg('user,id=a,x=b,,id=n1')}</qemu:commandline></domain>`,
    `<domain ${NS}><qemu:commandline>${arg('-netdev') + arg('user,id=a,x=b,,id=n1') + OURS}</qemu:commandline></domain>`,
  ],
  [
    'another prefix',
    `<domain xmlns:q="${URI}"><q:commandline>${arg('-M', 'q:')}</q:commandline></domain>`,
    `<domain xmlns:q="${URI}"><q:commandline>${arg('-M', 'q:') + arg('-netdev', 'q:') + arg(N1.value, 'q:')}</q:commandline></domain>`,
  ],
  [
    'another prefix without a command line',
    `<domain xmlns:q="${URI}"><a/></domain>`,
    `<domain xmlns:q="${URI}"><a/><q:commandline>${arg('-netdev', 'q:') + arg(N1.value, 'q:')}</q:commandline></domain>`,
  ],
  [
    'no prefix at all',
    `<domain ${NS}><commandline xmlns="${URI}"><arg value="-M"/></commandline></domain>`,
    `<domain ${NS}><commandline xmlns="${URI}"><arg value="-M"/>${arg('-netdev', '') + arg(N1.value, '')}</commandline></domain>`,
  ],
  [
    'a prefix whose declaration virt-launcher lost',
    `<domain><qemu:commandline>${arg('-netdev') + arg(N1.value)}</qemu:commandline></domain>`,
    `<domain ${NS}><qemu:commandline>${OURS}</qemu:commandline></domain>`,
  ],
  [
    'an element that only has the same name',
    `<domain ${NS}><commandline><arg value="-M"/></commandline><qemu:commandline xmlns:qemu="urn:x">${OURS}</qemu:commandline></domain>`,
    `<domain ${NS}><commandline><arg value="-M"/></commandline><qemu:commandline xmlns:qemu="urn:x">${OURS}</qemu:commandline><qemu:commandline>${OURS}</qemu:commandline></domain>`,
  ],
  [
    'the last of several',
    `<domain ${NS}><qemu:commandline>${arg('-A')}</qemu:commandline><qemu:commandline>${arg('-B')}</qemu:commandline></domain>`,
    `<domain ${NS}><qemu:commandline>${arg('-A')}</qemu:commandline><qemu:commandline>${arg('-B')}${OURS}</qemu:commandline></domain>`,
  ],
] as const) {
  edits(why, () => {
    assert.is(changed(before), after);
    assert.is(changed(after), after);
  });
}

edits('several at once are replaced and added', () => {
  const before = `<domain ${NS}><qemu:commandline>${arg('-netdev') + arg('tap,id=n2')}</qemu:commandline></domain>`;
  assert.is(
    changed(before, [N1, N2]),
    `<domain ${NS}><qemu:commandline>${arg('-netdev') + arg(N2.value) + OURS}</qemu:commandline></domain>`,
  );
});

for (const [why, xml, message] of [
  [
    'a duplicate id',
    `<domain ${NS}><qemu:commandline>${OURS + OURS}</qemu:commandline></domain>`,
    'Cannot change domain XML: its QEMU command line has 2 -netdev with id n1',
  ],
  [
    'a prefix bound to another namespace',
    '<domain xmlns:qemu="urn:x"><a/></domain>',
    `Cannot change domain XML: it declares prefix "qemu" for "urn:x", not for ${URI}`,
  ],
] as const) {
  edits(`refuses ${why}`, async () => {
    const error = await caught(() => changed(xml));
    assert.is(error.code, 'INVALID_DOMAIN');
    assert.is(error.message, message);
  });
}

edits.run();
