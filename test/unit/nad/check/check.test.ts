import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkSources } from '../../../../nad/check/check.ts';
import { toLine } from '../../../../nad/check/finding.ts';
import { files } from '../../../../nad/generate/files.ts';
import { findingsOf, findingsOfAll, kubevirt, nad, vm } from '../../../helpers/cluster/check.ts';

const test = suite('checkSources()');

/** Since KubeVirt 1.9, a webhook that is not in the files must request the devices of macvtaps. */
const isInjection = (finding: string) => finding.includes('(feature gate ExternalNetResourceInjection)');

test('accepts the files of nad/, each directory by itself, once IMAGE is replaced', () => {
  const folders = Map.groupBy(files(), ([file]) => file.replace(/[^/]*$/, ''));
  assert.ok(folders.size > 6);
  for (const [folder, entries] of folders) {
    const sources = entries.map(([file, text]) => ({
      file,
      text: text.replaceAll('IMAGE', 'example.com/tapwire:1'),
    }));
    assert.equal(findingsOfAll(sources, 8), [], folder);
    const found = findingsOfAll(sources);
    assert.equal(
      found.filter((finding) => !isInjection(finding)),
      [],
      folder,
    );
    assert.is(found.length, folder === 'macvtap/' ? 2 : 0, folder);
  }
});

test('counts checked and skipped objects', () => {
  const others = '---\napiVersion: v1\nkind: Pod\n---\njust: text\n---\n[1, 2]\n';
  const list = JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [{ apiVersion: 'v1', kind: 'Pod' }, 7],
  });
  const { checked, skipped } = checkSources(
    [
      { file: 'a', text: vm() + nad('n') + kubevirt({ tapwire: {} }) + others },
      { file: 'b', text: list },
      { file: 'c', text: '{"cniVersion": "1.0.0", "type": "bridge"}' },
    ],
    9,
  );
  assert.equal([checked, skipped], [4, 4]);
});

test('reads nested lists, and knows lines in them', () => {
  const text = `apiVersion: v1
kind: List
items:
  - apiVersion: kubevirt.io/v1
    kind: VirtualMachineInstanceList
    items: []
  - apiVersion: kubevirt.io/v1
    kind: KubeVirt
    spec:
      configuration:
        network:
          binding:
            x:
              domainAttachmentType: Tap
`;
  assert.equal(
    findingsOf(text).map((finding) => finding.slice(0, 20)),
    ['14 error: binding "x"'.slice(0, 20)],
  );
});

test('sorts findings by file and line', () => {
  const bad = kubevirt({ a: { x: 1 }, b: { y: 1 } });
  const { findings } = checkSources(
    [
      { file: 'z', text: `${bad}${nad('n', { mtu: 1 })}` },
      { file: 'a', text: bad },
    ],
    9,
  );
  assert.equal(
    findings.map(({ place: { file, line } }) => `${file}:${line}`),
    ['z:8', 'z:8', 'z:13', 'a:8', 'a:8'],
  );
});

const WRONG = 'VirtualMachine "vms/red": Cannot read $.spec.template.spec';
for (const [why, text, want] of [
  [
    'interfaces that are not a list',
    vm({ interfaces: {} as never }),
    `8 error: ${WRONG}.domain.devices.interfaces: want an array, got {}`,
  ],
  [
    'an interface without a name',
    vm({ interfaces: [{ binding: { name: 'tapwire' } }] }),
    `8 error: ${WRONG}.domain.devices.interfaces[0].name: want a string, got nothing`,
  ],
  [
    'a binding that is a string',
    vm({ interfaces: [{ name: 'default', binding: 'tapwire' }] }),
    `8 error: ${WRONG}.domain.devices.interfaces[0].binding: want an object, got "tapwire"`,
  ],
  [
    'a method that is true',
    vm({ interfaces: [{ name: 'default', masquerade: true }] }),
    `8 error: ${WRONG}.domain.devices.interfaces[0].masquerade: want an object, got true`,
  ],
  [
    'a network of numbers',
    vm({ networks: [1] as never }),
    `9 error: ${WRONG}.networks[0]: want an object, got 1`,
  ],
  [
    'cores as words',
    vm({ domain: { cpu: { cores: 'two' } } }),
    `8 error: ${WRONG}.domain.cpu.cores: want an integer in 0..4294967295, got "two"`,
  ],
  [
    'no spec',
    JSON.stringify({ apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', metadata: { name: 'v' } }),
    '1 error: VirtualMachineInstance "default/v": Cannot read $.spec: want an object, got nothing',
  ],
] as const) {
  test(`reports a VM with ${why}`, () => assert.equal(findingsOf(text), [want]));
}

test('treats hostile names and types as data', () => {
  const hostile = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'KubeVirt',
    metadata: { name: ['x'], namespace: { toString: 1 }, annotations: 7 },
    spec: { configuration: { network: { binding: JSON.parse('{"__proto__": {"constructor": 1}}') } } },
  };
  const [finding = '', ...others] = findingsOf(JSON.stringify(hostile));
  assert.equal(others, []);
  assert.match(finding, '1 error: binding "__proto__": KubeVirt 1.9 silently drops the field "constructor"');
  for (const kind of ['__proto__', 'constructor', 'toString', 'List', 'VirtualMachine\u0000']) {
    assert.equal(findingsOf(JSON.stringify({ ...hostile, kind, items: 'x' })), [
      `1 warning: there is no kind "${kind}" in kubevirt.io, so it was not checked; check the spelling`,
    ]);
    assert.equal(findingsOf(JSON.stringify({ ...hostile, apiVersion: `${kind}/v1`, kind })), []);
  }
});

test('prints a finding on one line, without control characters', () => {
  const { findings } = checkSources([{ file: 'f', text: kubevirt({ 'a\n\u001b[31m\u009b': { x: 1 } }) }], 9);
  const [finding] = findings;
  assert.ok(finding !== undefined);
  assert.match(toLine(finding), 'f:8: error: binding "a\\u000a\\u001b[31m\\u009b": KubeVirt');
});

test('shortens messages that quote huge names, and does not compare these with known ones', () => {
  const huge = 'x'.repeat(100_000);
  const interfaces = [{ name: huge, masquerade: {} }];
  const messages = findingsOf(vm({ interfaces, networks: [] }) + nad('huge', { type: huge }));
  assert.is(messages.length, 1);
  assert.match(messages[0] ?? '', /^8 error: .{4000}…$/);
});

test.run();
