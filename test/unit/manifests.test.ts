/** The DaemonSet and its companions, as kubectl would apply them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import * as kubernetes from '@kubevirt-ui-ext/kubevirt-api/kubernetes';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { templateOf, toJob } from '../../cli/cluster/job.ts';
import { DEFAULT_POLICY } from '../../cni/policy/node-policy.ts';
import { type Options, parseOptions } from '../../daemonset/install/options.ts';
import { type Options as AgentOptions, parseOptions as parseAgentOptions } from '../../daemonset/options.ts';
import { tagOf } from '../../scripts/image/names.ts';
import { kustomize, type Resource } from '../helpers/cluster/kustomize.ts';

const test = suite('the manifests');

const ROOT = resolve(import.meta.dirname, '../..');
const MANIFESTS = join(ROOT, 'daemonset/manifests');
const PLATFORMS = ['base', 'openshift', 'k3s'];
const COMPONENTS = ['podmonitor', 'macvtap', 'uninstall'];
/** Components of one platform. */
const OF_OPENSHIFT = ['macvtap-openshift'];
const IMAGE = `localhost/tapwire:${tagOf(null)}`;

/** Components that are used together, in every order that matters. */
const ORDERS = [
  ['podmonitor', 'macvtap'],
  ['macvtap', 'podmonitor'],
  ['podmonitor', 'macvtap', 'uninstall'],
];

/** The objects after these components, in this order. */
const withAll = (components: readonly string[], resources: readonly Resource[]): readonly Resource[] =>
  components.reduce((before, one) => kustomize(join(MANIFESTS, one), before), resources);

/** Every combination that docs/install.md names. */
const all: readonly (readonly [string, readonly Resource[]])[] = PLATFORMS.flatMap((platform) => {
  const resources = kustomize(join(MANIFESTS, platform));
  const components = [...COMPONENTS, ...(platform === 'openshift' ? OF_OPENSHIFT : [])];
  const chosen = [...components.map((one) => [one]), ...ORDERS];
  return [
    [platform, resources] as const,
    ...chosen.map((names) => [`${platform} with ${names.join(', ')}`, withAll(names, resources)] as const),
  ];
});

const daemonSetOf = (resources: readonly Resource[]): Resource =>
  resources.find(({ kind }) => kind === 'DaemonSet');
const base = daemonSetOf(kustomize(join(MANIFESTS, 'base')));
const { containers, initContainers, ...pod } = base.spec.template.spec;
const [agent] = containers;
const [installer] = initContainers;

/**
 * Parses and serialises objects of the API by kind, which drops fields that the API does not know.
 */
type Codec = readonly [read: (json: Resource) => Resource, write: (value: Resource) => Resource];
const CODECS: Readonly<Record<string, Codec>> = {
  DaemonSet: [kubernetes.IoK8sApiAppsV1DaemonSetFromJSON, kubernetes.IoK8sApiAppsV1DaemonSetToJSON],
  Namespace: [kubernetes.IoK8sApiCoreV1NamespaceFromJSON, kubernetes.IoK8sApiCoreV1NamespaceToJSON],
  ServiceAccount: [
    kubernetes.IoK8sApiCoreV1ServiceAccountFromJSON,
    kubernetes.IoK8sApiCoreV1ServiceAccountToJSON,
  ],
  Role: [kubernetes.IoK8sApiRbacV1RoleFromJSON, kubernetes.IoK8sApiRbacV1RoleToJSON],
  RoleBinding: [kubernetes.IoK8sApiRbacV1RoleBindingFromJSON, kubernetes.IoK8sApiRbacV1RoleBindingToJSON],
};
/** Kinds that are not Kubernetes' own. */
const OTHERS = ['SecurityContextConstraints', 'PodMonitor'];

const known = (resource: Resource): Resource => {
  const [read, write] = CODECS[resource.kind] ?? [];
  return read === undefined ? resource : JSON.parse(JSON.stringify(write?.(read(resource))));
};

for (const [name, resources] of all) {
  test(`${name} has no field that the API does not know, and every object is Tapwire's and in its namespace`, () => {
    for (const resource of resources) {
      assert.ok(Object.hasOwn(CODECS, resource.kind) || OTHERS.includes(resource.kind), resource.kind);
      assert.equal(known(resource), resource);
      assert.is(resource.metadata.labels['app.kubernetes.io/name'], 'tapwire');
      const isGlobal = ['Namespace', 'SecurityContextConstraints'].includes(resource.kind);
      assert.is(resource.metadata.namespace, isGlobal ? undefined : 'tapwire');
    }
    const ids = resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    assert.is(new Set(ids).size, ids.length);
  });

  test(`${name} runs only Tapwire's image without privileges, and every mount has its volume`, () => {
    const { spec } = daemonSetOf(resources).spec.template;
    const volumes = spec.volumes.map((volume: { name: string }) => volume.name);
    for (const { image, volumeMounts = [], securityContext } of [
      ...spec.initContainers,
      ...spec.containers,
    ]) {
      assert.is(image, IMAGE);
      for (const mount of volumeMounts) assert.ok(volumes.includes(mount.name), mount.name);
      assert.is(securityContext.readOnlyRootFilesystem, true);
      assert.equal(securityContext.capabilities.drop, ['ALL']);
      assert.is(securityContext.privileged, undefined);
    }
    assert.is(spec.initContainers[0].volumeMounts[0].name, 'cni-bin');
    assert.is(spec.volumes[0].name, 'cni-bin');
  });
}

test('a field that the API does not know is found', () => {
  for (const path of ['spec', 'spec.template.spec', 'spec.template.spec.containers.0.securityContext']) {
    const strange = structuredClone(base);
    path.split('.').reduce((at, key) => at[key], strange)['readonlyRootFileSystem'] = true;
    assert.not.equal(known(strange), strange, path);
  }
});

test('every directory of manifests is tested', () => {
  assert.equal(readdirSync(MANIFESTS).sort(), [...PLATFORMS, ...COMPONENTS, ...OF_OPENSHIFT].sort());
});

test('the agent has exactly these privileges', () => {
  assert.equal(agent.securityContext, {
    runAsUser: 0,
    runAsGroup: 0,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'SYS_ADMIN'] },
  });
  assert.equal(agent.volumeMounts, [
    { name: 'run', mountPath: '/run/tapwire' },
    { name: 'tun', mountPath: '/dev/net/tun' },
    { name: 'node-file', mountPath: '/etc/tapwire', readOnly: true },
    { name: 'netns', mountPath: '/run/netns', readOnly: true, mountPropagation: 'HostToContainer' },
  ]);
  assert.equal(
    [pod.hostNetwork, pod.hostPID, pod.hostIPC, pod.automountServiceAccountToken],
    [true, undefined, undefined, false],
  );
  assert.equal(pod.securityContext, {
    seccompProfile: { type: 'RuntimeDefault' },
    seLinuxOptions: { type: 'spc_t' },
  });
});

test('the installer has no privileges, and only the CNI bin directory', () => {
  assert.equal(installer.securityContext, {
    runAsUser: 0,
    runAsGroup: 0,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  assert.equal(installer.volumeMounts, [{ name: 'cni-bin', mountPath: '/host/cni-bin' }]);
});

test('a node never runs two agents, and the CPU has no limit', () => {
  assert.equal(base.spec.updateStrategy.rollingUpdate, { maxUnavailable: 1, maxSurge: 0 });
  for (const { resources } of [agent, installer]) {
    assert.ok(resources.requests.cpu && resources.requests.memory);
    assert.is(resources.limits?.cpu, undefined);
  }
  assert.is(pod.priorityClassName, 'system-node-critical');
  assert.equal(pod.tolerations, [{ operator: 'Exists' }]);
});

test("programs accept their arguments, and probes use the agent's address", () => {
  const installed = parseOptions(installer.args, '/app/install');
  assert.equal(installed, {
    command: 'install',
    binDirectory: installer.volumeMounts[0].mountPath,
    source: '/app/install/../cni',
    hasFallback: true,
  });
  const { health, socket, nodeFile, netnsDir } = parseAgentOptions(agent.args ?? []) as AgentOptions;
  const { httpGet } = agent.readinessProbe;
  assert.equal([httpGet.host, httpGet.port], [health.host, health.port]);
  const mounted = (path = '') =>
    agent.volumeMounts.some(
      (mount: { mountPath: string }) => !relative(mount.mountPath, path).startsWith('..'),
    );
  assert.ok(mounted(socket));
  assert.ok(mounted(nodeFile));
  assert.ok(mounted(netnsDir));
});

test('liveness does not depend on a port, and no component changes that', () => {
  const whole = { exec: { command: ['/app/agent/tapwire', 'alive'] }, periodSeconds: 10, timeoutSeconds: 5 };
  for (const components of [[], ['podmonitor'], ['macvtap'], ['podmonitor', 'macvtap']]) {
    const { spec } = daemonSetOf(withAll(components, kustomize(join(MANIFESTS, 'base')))).spec.template;
    assert.equal(spec.containers[0].livenessProbe, { ...whole, failureThreshold: 6 }, components.join());
  }
});

for (const [platform, directory] of [
  ['base', '/opt/cni/bin'],
  ['openshift', '/var/lib/cni/bin'],
  ['k3s', '/var/lib/rancher/k3s/data/cni'],
] as const) {
  test(`${platform} has its own CNI bin directory and otherwise equals the base`, () => {
    const other = structuredClone(daemonSetOf(kustomize(join(MANIFESTS, platform))));
    assert.is(other.spec.template.spec.volumes[0].hostPath.path, directory);
    other.spec.template.spec.volumes[0] = base.spec.template.spec.volumes[0];
    delete other.spec.template.metadata.annotations;
    assert.equal(other, base);
  });
}

test("OpenShift's constraints allow exactly what the agent's pod and the Jobs of --cluster request", () => {
  const resources = kustomize(join(MANIFESTS, 'openshift'));
  const find = (kind: string) => resources.find((one) => one.kind === kind);
  const scc = find('SecurityContextConstraints');
  const template = templateOf(daemonSetOf(resources));
  const jobs = (['doctor', 'inspect'] as const).map(
    (command): Resource => toJob('j', 'r', { node: 'n', command, args: [] }, template, 60),
  );
  const pods = jobs.map(({ spec }) => spec.template);
  const needed = [agent, ...pods.flatMap(({ spec }) => spec.containers)].flatMap(
    ({ securityContext }) => securityContext.capabilities.add,
  );
  assert.equal([...scc.allowedCapabilities].sort(), [...new Set(needed)].sort());
  for (const { metadata, spec } of pods) {
    assert.is(metadata.annotations['openshift.io/required-scc'], scc.metadata.name);
    assert.equal([spec.serviceAccountName, spec.hostPID], [pod.serviceAccountName, undefined]);
    assert.ok(spec.volumes.every((volume: object) => Object.hasOwn(volume, 'hostPath')));
    assert.is(spec.containers[0].securityContext.readOnlyRootFilesystem, true);
  }
  assert.equal([scc.allowHostNetwork, scc.allowHostPID, scc.allowPrivilegedContainer], [true, false, false]);
  assert.equal(scc.volumes, [
    ...new Set(pod.volumes.flatMap((volume: object) => Object.keys(volume).slice(1))),
  ]);
  const annotations = daemonSetOf(resources).spec.template.metadata.annotations;
  assert.equal(annotations, { 'openshift.io/required-scc': scc.metadata.name });
  assert.equal(find('Role').rules[0].resourceNames, [scc.metadata.name]);
  assert.equal(find('RoleBinding').subjects[0].name, pod.serviceAccountName);
});

const MACVTAP_CAPABILITIES = ['CHOWN', 'FOWNER', 'MKNOD'];
const MACVTAP_MOUNTS = [
  { name: 'dev', mountPath: '/host/dev' },
  { name: 'device-plugins', mountPath: '/var/lib/kubelet/device-plugins' },
  { name: 'pod-resources', mountPath: '/var/lib/kubelet/pod-resources', readOnly: true },
];

for (const platform of PLATFORMS) {
  test(`macvtap adds exactly its rights to ${platform}, and leaves the installer as it is`, () => {
    const before = daemonSetOf(kustomize(join(MANIFESTS, platform)));
    const after = daemonSetOf(withAll(['macvtap'], kustomize(join(MANIFESTS, platform))));
    const want = structuredClone(before);
    const { containers, volumes } = want.spec.template.spec;
    containers[0].args.push('--device-dir', '/host/dev');
    containers[0].securityContext.capabilities.add.push(...MACVTAP_CAPABILITIES);
    containers[0].volumeMounts.push(...MACVTAP_MOUNTS);
    for (const { name } of MACVTAP_MOUNTS) {
      const path = name === 'dev' ? '/dev' : `/var/lib/kubelet/${name}`;
      volumes.push({ name, hostPath: { path, type: 'Directory' } });
    }
    assert.equal(after, want);
  });
}

test('macvtap mounts what the agent and the plugin look for by default', () => {
  const [changed] = daemonSetOf(withAll(['macvtap'], kustomize(join(MANIFESTS, 'base')))).spec.template.spec
    .containers;
  const { deviceDirectory } = parseAgentOptions(changed.args) as AgentOptions;
  assert.is(deviceDirectory, MACVTAP_MOUNTS[0]?.mountPath);
  const { kubeletDirectory } = DEFAULT_POLICY.macvtap;
  assert.equal(
    MACVTAP_MOUNTS.slice(1).map(({ mountPath }) => mountPath),
    ['device-plugins', 'pod-resources'].map((name) => `${kubeletDirectory}/${name}`),
  );
});

test('the agent gets the arguments of podmonitor and macvtap in either order', () => {
  const optionsOf = (...components: readonly string[]) => {
    const spec = daemonSetOf(withAll(components, kustomize(join(MANIFESTS, 'base')))).spec.template.spec;
    const args = spec.containers[0].args.map((arg: string) => arg.replace('$(POD_IP)', '192.0.2.1'));
    return parseAgentOptions(args) as AgentOptions;
  };
  const options = optionsOf('podmonitor', 'macvtap');
  assert.equal([options.health.host, options.deviceDirectory], ['192.0.2.1', '/host/dev']);
  assert.equal(optionsOf('macvtap', 'podmonitor'), options);
});

test("macvtap-openshift also lets OpenShift's constraints allow the added rights, and no others", () => {
  const find = (resources: readonly Resource[]) =>
    resources.find(({ kind }) => kind === 'SecurityContextConstraints');
  const before = kustomize(join(MANIFESTS, 'openshift'));
  const after = withAll(OF_OPENSHIFT, before);
  const allowedCapabilities = [...find(before).allowedCapabilities, ...MACVTAP_CAPABILITIES];
  assert.equal(find(after), { ...find(before), allowedCapabilities });
  assert.equal(daemonSetOf(after), daemonSetOf(withAll(['macvtap'], before)));
  const { containers } = daemonSetOf(after).spec.template.spec;
  for (const name of containers[0].securityContext.capabilities.add)
    assert.ok(find(after).allowedCapabilities.includes(name), name);
});

test('podmonitor makes the agent serve where Prometheus and the kubelet can reach it', () => {
  const resources = kustomize(join(MANIFESTS, 'podmonitor'), kustomize(join(MANIFESTS, 'base')));
  const [changed] = daemonSetOf(resources).spec.template.spec.containers;
  for (const [ip, want] of [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
  ]) {
    const args = changed.args.map((arg: string) => arg.replace('$(POD_IP)', ip ?? ''));
    assert.equal((parseAgentOptions(args) as AgentOptions).health, {
      host: want,
      port: changed.ports[0].containerPort,
    });
  }
  assert.is(changed.readinessProbe.httpGet.host, undefined);
  const monitor = resources.find(({ kind }) => kind === 'PodMonitor');
  assert.is(monitor.spec.podMetricsEndpoints[0].port, changed.ports[0].name);
  assert.equal(monitor.spec.selector, base.spec.selector);
});

test('uninstall deletes what the installer installed and the agent’s socket, and the remaining pod has no privileges', () => {
  const resources = kustomize(join(MANIFESTS, 'uninstall'), kustomize(join(MANIFESTS, 'base')));
  const { spec } = daemonSetOf(resources).spec.template;
  const [{ args, volumeMounts }] = spec.initContainers;
  const options = parseOptions(args, '/app/install');
  assert.equal(options, {
    command: 'uninstall',
    binDirectory: volumeMounts[0].mountPath,
    agentSocket: `${volumeMounts[1].mountPath}/agent.sock`,
  });
  const [done] = spec.containers;
  assert.equal([done.volumeMounts, done.securityContext.capabilities], [undefined, { drop: ['ALL'] }]);
});

/** The kustomizations of docs/install.md, with paths as seen from the checkout. */
const [example = '', ...fragments] = readFileSync(join(ROOT, 'docs/install.md'), 'utf8')
  .split(/^```(?:yaml)?$/m)
  .filter((block) => /^(apiVersion|patches|components):/m.test(block));

for (const [why, added] of [
  ['as it is', ''],
  ...fragments.map((fragment) => [/--\w+-\w+|uninstall/.exec(fragment)?.[0] ?? fragment, fragment] as const),
] as const) {
  test(`the kustomization in docs/install.md works ${why}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'tapwire-kustomize-'));
    try {
      const text = (example + added).replaceAll('daemonset/manifests', relative(folder, MANIFESTS));
      writeFileSync(join(folder, 'kustomization.yaml'), text);
      const { spec } = daemonSetOf(kustomize(folder)).spec.template;
      const images = [...spec.initContainers, ...spec.containers].map(({ image }) => image);
      assert.equal(images, Array(2).fill('registry.example.com/tapwire:0.1.0-1a2b3c4'));
      assert.type(parseOptions(spec.initContainers[0].args, '/app/install'), 'object');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test('uninstall after podmonitor runs nothing of the agent', () => {
  const monitored = kustomize(join(MANIFESTS, 'podmonitor'), kustomize(join(MANIFESTS, 'base')));
  assert.not.equal(daemonSetOf(monitored).spec.template.spec.containers[0].args, undefined);
  const [done] = daemonSetOf(kustomize(join(MANIFESTS, 'uninstall'), monitored)).spec.template.spec
    .containers;
  assert.equal([done.name, done.args], ['done', []]);
});

test('the complete kustomization in docs/install.md uninstalls an installation without a fallback', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-kustomize-'));
  try {
    const text = (example + fragments.join('')).replaceAll(
      'daemonset/manifests',
      relative(folder, MANIFESTS),
    );
    writeFileSync(join(folder, 'kustomization.yaml'), text);
    const [{ args }] = daemonSetOf(kustomize(folder)).spec.template.spec.initContainers;
    assert.equal([args[0], args.at(-1)], ['uninstall', '--no-fallback']);
    assert.is((parseOptions(args, '/app/install') as Options).command, 'uninstall');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('docs/install.md shows both kustomizations', () => assert.is(fragments.length, 2));

test.run();
