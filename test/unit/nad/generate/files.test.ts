/**
 * The files of nad/ are the generator's output. After a change of the generator: UPDATE_MANIFESTS=1
 * node test/run.ts nad/generate/files
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { decodeNetConf } from '../../../../cni/request/config.ts';
import { files } from '../../../../nad/generate/files.ts';
import { asKept } from '../../../helpers/cluster/kubernetes-api.ts';

const test = suite('nad/');

const ROOT = resolve(import.meta.dirname, '../../../../nad');
const made = files();
const committed = () => globSync('**/*.yaml', { cwd: ROOT });

if (process.env['UPDATE_MANIFESTS']) {
  for (const file of committed()) rmSync(resolve(ROOT, file));
  for (const [file, text] of made) {
    mkdirSync(dirname(resolve(ROOT, file)), { recursive: true });
    writeFileSync(resolve(ROOT, file), text);
  }
}

const documentsOf = (text: string) => parseAllDocuments(text).map((document) => document.toJS());

test('has exactly the files that the generator creates', () => {
  assert.equal(committed().sort(), [...made.keys()].sort());
});

for (const [file, text] of made) {
  test(`${file} equals the generator's output`, () => {
    const hint = 'made otherwise now: UPDATE_MANIFESTS=1 node test/run.ts nad/generate/files';
    assert.fixture(readFileSync(resolve(ROOT, file), 'utf8'), text, hint);
  });

  if (file !== 'feature-gate.yaml') {
    test(`${file} has no field that the API drops`, () => {
      for (const document of documentsOf(text)) assert.equal(asKept(document), document);
    });
  }

  if (file.endsWith('nad.yaml')) {
    test(`${file} has a configuration with only known keys`, () => {
      const { name, plugins, ...rest } = JSON.parse(documentsOf(text)[0].spec.config);
      const ours = (plugins ?? [rest]).find(({ type }: { type: string }) => type === 'tapwire');
      assert.equal(decodeNetConf({ cniVersion: rest.cniVersion, name, ...ours }).unknownKeys, []);
    });
  }
}

test('the gate patch adds to the list that KubeVirt reads', () => {
  assert.equal(documentsOf(made.get('feature-gate.yaml') ?? ''), [
    [
      {
        op: 'add',
        path: '/spec/configuration/developerConfiguration/featureGates/-',
        value: 'NetworkBindingPlugins',
      },
    ],
  ]);
});

test('the example VMs of macvtap use the device that their NAD names', () => {
  for (const name of ['vm', 'vm-multi-queue']) {
    const documents = ['macvtap/nad.yaml', `macvtap/${name}.yaml`].flatMap((file) =>
      documentsOf(made.get(file) ?? ''),
    );
    const { networks } = documents.at(-1).spec.template.spec;
    const nad = documents.find(({ metadata }) => metadata.name === networks[1].multus.networkName);
    assert.equal(nad.metadata.annotations, { 'k8s.v1.cni.cncf.io/resourceName': 'tapwire.io/vm-lan' });
    const conf = decodeNetConf(JSON.parse(nad.spec.config));
    assert.equal([conf.binding, conf.unknownKeys], ['macvtap', []]);
  }
});

test('the guests of the example VMs on the pod IP get their addresses from the sidecar', () => {
  for (const kind of ['tap-pod-ip', 'tap-pod-ip-mq']) {
    const [nad] = documentsOf(made.get(`${kind}/nad.yaml`) ?? '');
    const conf = decodeNetConf(JSON.parse(nad.spec.config));
    assert.is(conf.binding === 'tap' && conf.guestAddresses, 'pod');
    const [patch] = documentsOf(made.get(`${kind}/kubevirt-1.2.yaml`) ?? '');
    assert.is(patch.spec.configuration.network.binding[kind.replace('tap', 'tapwire')].sidecarImage, 'IMAGE');
  }
  const [network, vm] = documentsOf(made.get('tap-pod-ip/vm-secondary.yaml') ?? '');
  assert.is(JSON.parse(network.spec.config).ipam.type, 'host-local', 'the pod has an address to give');
  const { domain, networks } = vm.spec.template.spec;
  assert.equal(domain.devices.interfaces[1].binding, { name: 'tapwire-pod-ip' });
  assert.equal(networks[1].multus, { networkName: network.metadata.name });
});

test('asKept() drops unknown fields', () => {
  const [vm] = documentsOf(made.get('tap/vm-primary.yaml') ?? '');
  vm.spec.template.spec.domain.devices.interfaces[0].bindings = {};
  assert.not.equal(asKept(vm), vm);
});

test.run();
