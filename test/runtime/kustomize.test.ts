/** The real kubectl builds the DaemonSet's manifests, and agrees with the tests' own kustomize. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kubectlKustomize } from '../helpers/cluster/kubectl.ts';
import { kustomize, type Resource } from '../helpers/cluster/kustomize.ts';

const test = suite('kubectl kustomize');

const MANIFESTS = resolve(import.meta.dirname, '../../daemonset/manifests');

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

test.run();
