/** The real kubectl builds the DaemonSet's manifests, and agrees with the tests' own kustomize. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kubectlKustomize } from '../helpers/cluster/kubectl.ts';
import { kustomize, type Resource } from '../helpers/cluster/kustomize.ts';

const test = suite('kubectl kustomize');

const CHECKOUT = resolve(import.meta.dirname, '../..');
const MANIFESTS = resolve(CHECKOUT, 'daemonset/manifests');

const byId = (resources: readonly Resource[]) =>
  new Map(resources.map((one): [string, Resource] => [`${one.kind} ${one.metadata.name}`, one]).toSorted());

for (const [platform, components] of [
  ['base', []],
  ['base', ['podmonitor']],
  ['base', ['macvtap']],
  ['k3s', ['macvtap']],
  ['base', ['macvtap', 'podmonitor']],
  ['base', ['podmonitor', 'macvtap']],
  ['base', ['podmonitor', 'macvtap', 'uninstall']],
  ['openshift', ['macvtap-openshift']],
  ['openshift', ['podmonitor', 'macvtap-openshift', 'uninstall']],
] as const) {
  test(`builds ${[platform, ...components].join(', ')} as the tests do`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tapwire-kustomize-'));
    try {
      const pathTo = (name: string) => relative(folder, join(MANIFESTS, name));
      const kustomization = {
        apiVersion: 'kustomize.config.k8s.io/v1beta1',
        kind: 'Kustomization',
        resources: [pathTo(platform)],
        components: components.map(pathTo),
      };
      writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
      assert.equal(byId(await kubectlKustomize(folder)), byId(kustomize(folder)));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

/** The kustomization of docs/install.md with everything in it that is a comment. */
function documented(): string {
  const page = readFileSync(resolve(CHECKOUT, 'docs/install.md'), 'utf8');
  const [, yaml = ''] = /```yaml\n(apiVersion: kustomize\.config[^`]*)```/.exec(page) ?? [];
  return yaml.replace(/^# ?/gm, '');
}

test('builds what docs/install.md shows, with all that is a comment there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-kustomize-'));
  try {
    const text = documented().replaceAll('daemonset/manifests', relative(folder, MANIFESTS));
    writeFileSync(join(folder, 'kustomization.yaml'), text);
    const built = byId(await kubectlKustomize(folder));
    assert.equal(built.get('ServiceAccount tapwire').imagePullSecrets, [{ name: 'registry' }]);
    const { containers, initContainers, volumes } = built.get('DaemonSet tapwire').spec.template.spec;
    for (const { image } of [...containers, ...initContainers])
      assert.is(image, 'registry.example.com/tapwire:0.1.0-1a2b3c4');
    assert.is(volumes[0].hostPath.path, '/var/snap/microk8s/current/opt/cni/bin');
    assert.ok(built.has('PodMonitor tapwire'));
    assert.ok(containers[0].args.includes('--device-dir'), containers[0].args.join(' '));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
