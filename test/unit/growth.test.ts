/**
 * Input that a pod's owner can make long takes work in proportion to its length. The work is
 * counted, so that no machine is too slow for the test.
 */
import '../helpers/work.ts'; // must come before all the code that it counts
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDocuments } from '../../nad/check/document.ts';
import { findingsOf, kubevirt, nad, vm } from '../helpers/cluster/check.ts';
import { leaf, node } from '../helpers/lab/go-xml.ts';
import { definedAsIs } from '../helpers/sidecar/defined.ts';
import { defineInPasses } from '../helpers/sidecar/virt-launcher.ts';
import { workOf } from '../helpers/work.ts';

const test = suite('growth');

/**
 * Largest ratio of work for four times as much input: somewhat above four, because of sorting.
 * Counts are the same in each run, so that the bound can be tight.
 */
const GROWTH = 5;

const indices = (count: number) => Array.from({ length: count }, (_, index) => index);

async function growsInProportion(few: number, act: (count: number) => unknown): Promise<void> {
  await act(few); // runs once for what is created only once
  const [little, much] = [await workOf(() => act(few)), await workOf(() => act(4 * few))];
  assert.ok(little > few, `${little} blocks for ${few}`);
  assert.ok(much < GROWTH * little, `${little} blocks for ${few}, ${much} for ${4 * few}`);
}

/**
 * The domain of a VM with this many interfaces of slirp, each of which adds arguments and overrides
 * in every pass.
 */
async function defineMany(count: number): Promise<void> {
  const names = indices(count).map((index) => `n${index}`);
  const vmi = {
    devices: { interfaces: names.map((name) => ({ name, binding: { name: 'tapwire-slirp' } })) },
    networks: names.map((name) => ({ name, multus: { networkName: name } })),
  };
  const devices = node('devices', {}, leaf('emulator', '/usr/bin/qemu-system-x86_64'));
  const domain = node('domain', { type: 'kvm' }, leaf('name', 'lab_vm1'), devices);
  const passes = await defineInPasses(domain, {
    hook: (xml) => definedAsIs(xml, { vmi }),
    define: async (xml) => xml,
    placeholders: 0,
    keepsCommandline: true,
  });
  assert.is(passes.at(-1)?.answer.match(/id=tapwire-n/g)?.length, count);
}

test('defining a domain takes work in proportion to its interfaces', () =>
  growsInProportion(250, defineMany));

test('checking a VM takes work in proportion to its interfaces', () =>
  growsInProportion(2000, (count) => {
    const interfaces = indices(count).map((index) => ({ name: `n${index}`, masquerade: {} }));
    assert.is(findingsOf(vm({ interfaces, networks: [] })).length, count);
  }));

test('checking many networks takes work in proportion to them', () =>
  growsInProportion(500, (count) => {
    const interfaces = indices(count).map((index) => ({ name: `n${index}`, masquerade: {} }));
    const networks = indices(count).map((index) => ({ name: `n${index}`, pod: {} }));
    findingsOf(vm({ interfaces, networks }));
  }));

test('checking fields of interfaces takes work in proportion to them', () =>
  growsInProportion(500, (count) => {
    const same = { bootOrder: 1, acpiIndex: 1, pciAddress: '0000:00:01.0', macAddress: '02:00:00:00:00:01' };
    const ports = indices(count).map((index) => ({ name: `p${index}`, port: 0 }));
    const interfaces = indices(count).map((index) => ({ name: `n${index}`, sriov: {}, ...same }));
    const disks = indices(count).map((index) => ({ name: `d${index}`, bootOrder: index + 2 }));
    const [first, ...others] = interfaces;
    const networks = indices(count).map((index) => ({ name: `n${index}`, pod: {} }));
    findingsOf(vm({ interfaces: [{ ...first, ports } as object, ...others], networks, devices: { disks } }));
  }));

test('checking a cluster takes work in proportion to its VMs, NADs and bindings', () =>
  growsInProportion(100, (count) => {
    const names = indices(count).map((index) => `n${index}`);
    const plugin = (name: string) => ({
      networkAttachmentDefinition: `vms/${name}`,
      domainAttachmentType: 'tap',
    });
    const registered = kubevirt(Object.fromEntries(names.map((name) => [name, plugin(name)])));
    const vms = names.map((name) =>
      vm({ interfaces: [{ name: 'default', binding: { name } }] })
        .replace('"red"', name)
        .replace('red', name),
    );
    const nads = names.map((name) => nad(name, {}, 'vms'));
    const missing = vm({ interfaces: names.map((name) => ({ name, binding: { name: 'missing' } })) });
    findingsOf([registered, ...nads, ...nads, ...vms, missing].join(''));
  }));

test('looking for NADs of almost a name takes work in proportion to the networks', () =>
  growsInProportion(100, (count) => {
    const nads = indices(count).map((index) => nad(`lanabc${letters(index)}`, {}, 'vms'));
    const networks = indices(count).map((index) => ({
      name: `n${index}`,
      multus: { networkName: `lanxyz${letters(index)}` },
    }));
    const interfaces = networks.map(({ name }) => ({ name, bridge: {} }));
    findingsOf([...nads, vm({ interfaces, networks })].join(''));
  }));

const letters = (index: number): string =>
  String.fromCharCode(...[...`${index}`.padStart(5, '0')].map((digit) => 97 + Number(digit)));

for (const [why, text] of [
  [
    'keys',
    (count: number) =>
      indices(count)
        .map((index) => `k${index}: 1\n`)
        .join(''),
  ],
  ['duplicate keys', (count: number) => 'a: 1\n'.repeat(count)],
  ['documents', (count: number) => 'a: 1\n---\n'.repeat(count)],
  ['separators', (count: number) => '---\n'.repeat(count)],
  ['JSON objects', (count: number) => '{"a": 1}\n'.repeat(count)],
  ['items', (count: number) => '- a\n'.repeat(count)],
  ['blank lines', (count: number) => `a: 1${'\n'.repeat(count)}b: 2`],
  [
    'items of a list of kubectl',
    (count: number) => `apiVersion: v1\nitems:\n${'- a: 1\n'.repeat(count)}kind: List\n`,
  ],
  [
    'anchors',
    (count: number) =>
      indices(count)
        .map((index) => `- &a${index} x\n`)
        .join(''),
  ],
  ['open quotes', (count: number) => `{${'"\\"'.repeat(count)}`],
  ['lines between quotes', (count: number) => `a: '${'x\n'.repeat(count)}'`],
] as const) {
  test(`reading YAML takes work in proportion to its ${why}`, () =>
    growsInProportion(1000, (count) => parseDocuments('f', text(count))));
}

test('printing the lines of findings takes work in proportion to them', () =>
  growsInProportion(500, (count) => {
    const names = indices(count).map((index) => [`b${index}`, { unheardOf: 1 }]);
    assert.is(findingsOf(kubevirt(Object.fromEntries(names))).length, count);
  }));

test.run();
