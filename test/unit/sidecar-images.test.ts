/**
 * The images' sidecars, started for the registrations of a VM with several bindings. Before
 * KubeVirt 1.9, each sidecar of the pod serves what its image allows; from 1.9 on, only the binding
 * for which it was started.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { variants } from '../../scripts/image/config.ts';
import { tagOf } from '../../scripts/image/names.ts';
import type { Binding } from '../../shared/bindings.ts';
import { definedAsIs, elements } from '../helpers/sidecar/defined.ts';
import type { VmiParts } from '../helpers/sidecar/vmi.ts';

const test = suite("the images' sidecars");

const DOMAIN = '<domain type="kvm"><name>lab_vm1</name><devices></devices></domain>';
const interfaces = [
  { name: 'default', binding: { name: 'tapwire-passt' } },
  { name: 'red', binding: { name: 'tapwire' } },
  { name: 'blue', binding: { name: 'tapwire-slirp' } },
];
const VMI: VmiParts = {
  interfaces,
  networks: [
    { name: 'default', pod: {} },
    { name: 'red', multus: { networkName: 'red' } },
    { name: 'blue', multus: { networkName: 'blue' } },
  ],
};
const KINDS: Readonly<Record<string, Binding>> = {
  tapwire: 'tap',
  'tapwire-passt': 'passt',
  'tapwire-slirp': 'slirp',
};

/** The environment that an image sets. */
function envOf(binding: Binding | null): Readonly<Record<string, string>> {
  const image = variants('x64', {}).find(({ name }) => name.endsWith(`:${tagOf(binding)}`));
  assert.ok(image);
  return Object.fromEntries(image.config.config.Env.map((set) => set.split('=')));
}

/** What the domain has for the VM, in any order, after one call of each sidecar in this order. */
async function definedBy(envs: readonly Readonly<Record<string, string>>[]): Promise<readonly string[]> {
  let xml = DOMAIN;
  for (const env of envs) xml = await definedAsIs(xml, { vmi: VMI, env });
  return ['interface', 'qemu:commandline', 'qemu:override', 'memoryBacking']
    .flatMap((name) => elements(xml, name))
    .sort();
}

function orders<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length < 2) return [items];
  return items.flatMap((first) =>
    orders(items.filter((item) => item !== first)).map((others) => [first, ...others]),
  );
}

const ALL = envOf(null);
const wanted = await definedBy([ALL]);

test('one sidecar of the image for every binding binds all three interfaces', () => {
  const names = wanted.flatMap((element) => /<alias name="(ua-\w+)">/.exec(element)?.[1] ?? []);
  assert.equal(names.toSorted(), ['ua-blue', 'ua-default', 'ua-red']);
  assert.is(ALL['TAPWIRE_BINDING'], undefined);
});

test('another sidecar of this image changes nothing', async () => {
  assert.equal(await definedBy([ALL, ALL, ALL]), wanted);
});

const REGISTRATIONS: Readonly<Record<string, (name: string) => Binding | null>> = {
  'one image for every binding': () => null,
  'the images of 0.1.0: an image for each binding except tap': (name) =>
    name === 'tapwire' ? null : (KINDS[name] as Binding),
  'an image for each binding': (name) => KINDS[name] as Binding,
};
for (const [images, imageOf] of Object.entries(REGISTRATIONS)) {
  for (const order of orders(Object.keys(KINDS))) {
    test(`before KubeVirt 1.9, with ${images}, in the order ${order.join(', ')}`, async () => {
      assert.equal(await definedBy(order.map((name) => envOf(imageOf(name)))), wanted);
    });

    test(`with KubeVirt 1.9 and ${images}, in the order ${order.join(', ')}`, async () => {
      const envs = order.map((name) => ({ ...envOf(imageOf(name)), NETWORK_BINDING_PLUGIN_NAME: name }));
      assert.equal(await definedBy(envs), wanted);
    });
  }
}

test.run();
