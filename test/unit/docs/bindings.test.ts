/** `tapwire check` accepts the examples of docs/bindings.md together with the manifests of nad/. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { findingsOfAll } from '../../helpers/cluster/check.ts';

const test = suite('docs/bindings.md');

const ROOT = resolve(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(resolve(ROOT, file), 'utf8');
const page = read('docs/bindings.md');

/** What an administrator has applied before, for the binding that all examples use. */
const APPLIED = ['nad/tap/secondary-nad.yaml', 'nad/tap/secondary-kubevirt-1.1.yaml'];
/** KubeVirt with this version lets Multus request devices, so that no example gets a warning. */
const MINOR = 8;

const sections = page.split(/^### (?=Example: )/m).slice(1);
const examplesOf = (section: string): readonly string[] =>
  [...(section.split(/^## /m)[0] ?? '').matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => text);

test('there are examples for a tagged VLAN and the kernel netdev of a VF', () => {
  assert.equal(
    sections.map((section) => [section.split('\n')[0], examplesOf(section).length]),
    [
      ['Example: a tagged VLAN', 2],
      ['Example: the kernel netdev of a VF', 1],
    ],
  );
});

for (const [i, text] of sections.flatMap(examplesOf).entries()) {
  const kinds = parseAllDocuments(text).map((document) => document.get('kind'));
  test(`check accepts example ${i + 1}: ${kinds.join(', ')}`, () => {
    const files = APPLIED.map((file) => ({ file, text: read(file) }));
    assert.equal(findingsOfAll([...files, { file: 'example', text }], MINOR), []);
  });
}

test('check finds a mistake in an example', () => {
  const text = sections.flatMap(examplesOf)[0]?.replace('tapwire-secondary', 'tapwire-second') ?? '';
  const files = APPLIED.map((file) => ({ file, text: read(file) }));
  assert.is(findingsOfAll([...files, { file: 'example', text }], MINOR).length, 1);
});

const NETWORKS = [
  ...['Calico', 'Cilium', 'flannel', 'OVN-Kubernetes', 'Kube-OVN'],
  ...['VLAN', 'SR-IOV', 'macvlan', 'ipvlan'],
];

for (const name of NETWORKS) {
  test(`a row says what to use for ${name}, and README does, too`, () => {
    const choice = page.slice(page.indexOf('## Choose a binding'), page.indexOf('### My VM must keep'));
    assert.match(choice, new RegExp(`^\\| [^|]*${name}`, 'm'));
    assert.match(read('README.md'), new RegExp(`^\\| [^|]*${name}[^|]* \\| .*\\|$`, 'm'));
  });
}

test.run();
