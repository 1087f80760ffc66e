/** The examples and tables of docs/macvtap.md agree with the code that reads such files. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_POLICY, decodeNodePolicy } from '../../../cni/policy/node-policy.ts';
import { decodeNetConf } from '../../../cni/request/config.ts';
import { REJECTED_KEYS } from '../../../cni/request/macvtap-config.ts';
import { deviceIdsOf, readDeviceId } from '../../../shared/kubelet/device-id.ts';
import { findingsOfAll } from '../../helpers/cluster/check.ts';
import { kustomize } from '../../helpers/cluster/kustomize.ts';

const test = suite('docs/macvtap.md');

const ROOT = resolve(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const page = read('docs/macvtap.md');
const blocksOf = (language: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, text = '']) => text);

const jsons = [...blocksOf('json').map((text) => JSON.parse(text))];
const policies = jsons.filter((json) => 'macvtap' in json);
const confs = jsons.filter((json) => 'type' in json);

test('each JSON example is a node policy file or a configuration', () => {
  assert.ok(policies.length >= 3 && confs.length >= 1);
  assert.is(policies.length + confs.length, jsons.length);
});

for (const policy of policies) {
  test(`the node policy file is accepted: ${JSON.stringify(policy).slice(0, 60)}…`, () => {
    const { resources, masters } = decodeNodePolicy(policy, '$').macvtap;
    assert.ok(resources.length + masters.length > 0);
  });
}

for (const conf of confs) {
  test(`ADD reads every key of ${JSON.stringify(conf)}`, () => {
    const { binding, unknownKeys } = decodeNetConf(conf);
    assert.equal([binding, unknownKeys], ['macvtap', []]);
  });
}

/** Names in the first column of the table with this head, without its first columns' backquotes. */
function keysOf(head: string): readonly string[] {
  const [, table = ''] = page.split(`| ${head} | default | meaning |\n`);
  const rows = (table.split('\n\n')[0] ?? '').split('\n').slice(1);
  return rows.flatMap((row) =>
    [...(row.split(' | ')[0] ?? '').matchAll(/`(\w+)`/g)].map(([, key = '']) => key),
  );
}

test('the tables list exactly the keys of the node policy file', () => {
  assert.equal([...keysOf('key of `$.macvtap`')].sort(), Object.keys(DEFAULT_POLICY.macvtap).sort());
  const decoded = decodeNodePolicy({ macvtap: { resources: [{ name: 'x', lowerDevice: 'x0' }] } }, '$');
  const [resource] = decoded.macvtap.resources;
  assert.equal([...keysOf('key of a resource')].sort(), Object.keys(resource ?? {}).sort());
  assert.is(page.includes(`| \`capacity\` | ${resource?.capacity}; 1 with \`passthru\` |`), true);
});

test('the table of the NAD lists exactly its keys', () => {
  const base = { cniVersion: '1.0.0', name: 'lan', type: 'tapwire', binding: 'macvtap' };
  const { binding, mtu, staticMac, queues, owner, group, promiscMode, master } = decodeNetConf(
    base,
  ) as Extract<ReturnType<typeof decodeNetConf>, { binding: 'macvtap' }>;
  const defaults = { binding, mtu, mac: staticMac, queues, owner, group, promiscMode, master };
  assert.equal([...keysOf('key of the NAD')].sort(), Object.keys(defaults).sort());
  assert.equal(decodeNetConf({ ...base, ...defaults }).unknownKeys, []);
});

test('ADD rejects the keys that the page says it rejects', () => {
  const [, sentence = ''] = /^ADD rejects (.*?)\. /m.exec(page) ?? [];
  const keys = [...sentence.matchAll(/`(\w+)`/g)].map(([, key = '']) => key);
  assert.equal(keys.sort(), [...REJECTED_KEYS].sort());
  for (const key of keys) {
    const conf = { cniVersion: '1.0.0', name: 'lan', binding: 'macvtap', [key]: 'x' };
    assert.throws(() => decodeNetConf(conf), new RegExp(`Cannot read \\$\\.${key}: want no such key`));
  }
});

const yamls = blocksOf('yaml');

test('check accepts the NAD and the VM', () => {
  const example = yamls.find((text) => text.includes('kind: VirtualMachine')) ?? '';
  const registration = 'nad/macvtap/kubevirt-1.1.yaml';
  const files = [
    { file: registration, text: read(registration) },
    { file: 'example', text: example },
  ];
  assert.equal(findingsOfAll(files, 8), []);
  const [wrong = ''] = findingsOfAll([{ file: 'x', text: example.replace('macvtap}}', 'secondary}}') }], 8);
  assert.match(
    wrong,
    'its network "tapwire-lan-macvtap" is a macvtap, and binding "tapwire-secondary" is for',
  );
});

test("the patch for another kubelet directory changes the agent's mounts", () => {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-kustomize-'));
  try {
    const fragments = yamls.filter((text) => /^(components|patches):/.test(text)).join('');
    const text = `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [daemonset/manifests/base]\n${fragments}`;
    const moved = text.replaceAll('daemonset/manifests', relative(folder, join(ROOT, 'daemonset/manifests')));
    writeFileSync(join(folder, 'kustomization.yaml'), moved);
    const { spec } = kustomize(folder).find(({ kind }) => kind === 'DaemonSet').spec.template;
    const pathOf = (volume: string) =>
      spec.volumes.find(({ name }: { name: string }) => name === volume).hostPath.path;
    const mountOf = (volume: string) =>
      spec.containers[0].volumeMounts.find(({ name }: { name: string }) => name === volume).mountPath;
    assert.equal(
      [mountOf('device-plugins'), mountOf('pod-resources')],
      ['/var/lib/k0s/kubelet/device-plugins', '/var/lib/k0s/kubelet/pod-resources'],
    );
    assert.equal(
      [pathOf('device-plugins'), pathOf('pod-resources')],
      ['/var/lib/kubelet/device-plugins', '/var/lib/k0s/kubelet/pod-resources'],
    );
    assert.is(pathOf('dev'), '/dev');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the id of a device in the text is one of that resource', () => {
  const [, id = ''] = /such as `(vm-lan-\d+)`/.exec(page) ?? [];
  assert.is(readDeviceId(id)?.resource, 'vm-lan');
  assert.ok(page.includes(`/dev/tap${id.replace('vm-lan-', '')}`));
  assert.is(deviceIdsOf('vm-lan', 1)[0]?.length, id.length);
});

test.run();
