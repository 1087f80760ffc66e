import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { manifests } from '../../../../cli/commands/manifests.ts';
import { files } from '../../../../nad/generate/files.ts';
import { caught } from '../../../helpers/caught.ts';
import { asKept } from '../../../helpers/cluster/kubernetes-api.ts';

const test = suite('tapwire manifests');

const NO_FILES = { read: () => assert.unreachable('manifests reads no files') as never };
const print = async (...args: readonly string[]): Promise<string> => {
  const { stdout, exitCode } = await manifests.run(args, NO_FILES);
  assert.is(exitCode, 0);
  return stdout;
};
const documents = async (...args: readonly string[]) =>
  parseAllDocuments(await print(...args)).map((document) => document.toJS());

/** The files of nad/ in one stream, where a patch cannot be applied from the file that it is in. */
const committed = (...names: readonly string[]) =>
  names
    .map((name) => files().get(name) ?? '')
    .map((text) => (names.length > 1 && text.includes('THIS_FILE') ? inStream(text) : text))
    .join('---\n');

const inStream = (text: string) => {
  const hint = '# FILE must have only this patch: "tapwire manifests --output DIR" writes it.\n';
  return text.replaceAll('THIS_FILE', 'FILE').replace(/^(?=[^#])/m, hint);
};

const withoutComments = (text: string) => text.replaceAll(/^#.*\n/gm, '');

for (const [args, names] of [
  [
    ['--binding', 'tap'],
    ['nad', 'kubevirt-1.1', 'vm-primary', 'vm-dual-stack'].map((name) => `tap/${name}.yaml`),
  ],
  [
    ['--binding', 'tap-secondary'],
    ['secondary-nad', 'secondary-kubevirt-1.1', 'vm-secondary'].map((name) => `tap/${name}.yaml`),
  ],
  [
    ['--binding', 'tap-secondary-mq', '--hco'],
    ['secondary-nad', 'secondary-hyperconverged-1.11', 'vm-secondary'].map((name) => `tap-mq/${name}.yaml`),
  ],
  [
    ['--binding', 'tap', '--kubevirt', '1.4', '--part', 'registration', '--part', 'gate'],
    ['tap/kubevirt-1.1.yaml', 'feature-gate.yaml'],
  ],
  [['--binding', 'passt', '--kubevirt', '1.2.3', '--part', 'registration'], ['passt/kubevirt-1.2.yaml']],
  [['--binding', 'passt', '--kubevirt', '1.5', '--part', 'registration'], ['passt/kubevirt-1.3.yaml']],
  [['--binding', 'passt', '--hco', '--part', 'registration'], ['passt/hyperconverged-1.13.yaml']],
  [
    ['--binding', 'slirp'],
    ['slirp/kubevirt-1.1.yaml', 'slirp/vm-primary.yaml'],
  ],
  [
    ['--binding', 'tap-mq', '--form', 'network'],
    ['nad', 'kubevirt-1.1', 'vm'].map((name) => `tap-mq/network/${name}.yaml`),
  ],
  [
    ['--binding', 'tap-pod-ip'],
    ['nad', 'kubevirt-1.2', 'vm-primary', 'vm-secondary'].map((name) => `tap-pod-ip/${name}.yaml`),
  ],
  [
    ['--binding', 'tap-pod-ip-mq', '--form', 'network', '--hco'],
    ['nad', 'hyperconverged-1.12', 'vm'].map((name) => `tap-pod-ip-mq/network/${name}.yaml`),
  ],
  [
    ['--binding', 'macvtap'],
    ['nad', 'kubevirt-1.1', 'vm', 'vm-multi-queue'].map((name) => `macvtap/${name}.yaml`),
  ],
  [
    ['--binding', 'macvtap', '--form', 'network', '--hco', '--part', 'registration'],
    ['macvtap/hyperconverged-1.11.yaml'],
  ],
  [
    ['--binding', 'tap', '--binding', 'macvtap', '--part', 'registration'],
    ['tap/kubevirt-1.1.yaml', 'macvtap/kubevirt-1.1.yaml'],
  ],
  [
    ['--binding=tap', '--binding=tap-mq', '--part=registration', '--part=gate', '--kubevirt=v1.3.1'],
    ['tap/kubevirt-1.1.yaml', 'feature-gate.yaml', 'tap-mq/kubevirt-1.1.yaml'],
  ],
] as const) {
  test(`${args.join(' ')} prints ${names.join(', ')}`, async () => {
    const [got, want] = [await print(...args), committed(...names)];
    // For a given version of KubeVirt, the comments name only that version.
    if (args.some((arg) => arg.startsWith('--kubevirt')))
      assert.fixture(withoutComments(got), withoutComments(want));
    else assert.fixture(got, want);
  });
}

for (const [args, words] of [
  ['--binding tap --kubevirt 1.5', 'with KubeVirt 1.5. This patch'],
  [
    '--binding tap --kubevirt 1.4',
    'KubeVirt 1.4 also needs a feature gate: apply the patch feature-gate.yaml',
  ],
  ['--binding tap --kubevirt 1.1', 'cannot migrate live before KubeVirt 1.2.'],
  ['--binding passt --kubevirt 1.8', 'KubeVirt 1.8 has its own passt binding'],
  ['--binding passt --hco --kubevirt 1.7', 'if the HyperConverged operator manages KubeVirt 1.7.'],
  ['--binding tap-pod-ip --kubevirt 1.1', 'cannot migrate live before KubeVirt 1.2.'],
  ['--binding tap', 'Up to KubeVirt 1.4, also apply'],
  ['--binding macvtap', 'From 1.9 on, KubeVirt does not request the device that the NAD names'],
  ['--binding macvtap --kubevirt 1.9', 'KubeVirt 1.9 does not request the device that the NAD names'],
] as const) {
  test(`${args} says ${JSON.stringify(words)}`, async () => {
    assert.match(await print(...args.split(' ')), words);
  });
}

for (const [args, words] of [
  ['--binding tap --kubevirt 1.5', /1\.4|feature gate|or newer|and newer/],
  ['--binding passt --kubevirt 1.7', /own passt binding|and newer/],
  ['--binding tap --hco --kubevirt 1.5', /and newer|or newer/],
  ['--binding macvtap --kubevirt 1.8', /does not request|migrate/],
] as const) {
  test(`${args} does not mention other versions`, async () => {
    assert.not.match(await print(...args.split(' '), '--part', 'registration'), words);
  });
}

for (const [args, stderr] of [
  [
    '--binding tap --part gate --kubevirt 1.9',
    'No feature gate: KubeVirt 1.9 needs none. For 1.4 or older, give its version with --kubevirt.\n',
  ],
  ['--binding tap --hco --part gate', 'No feature gate: the HyperConverged operator sets it.\n'],
  [
    '--binding slirp --part nad',
    'No NAD for slirp: it needs nothing on the nodes, so its registration names no NAD.\n',
  ],
  ['--binding tap --part nad', ''],
  ['--binding slirp --kubevirt 1.9', ''],
] as const) {
  test(`${args}: says ${stderr === '' ? 'nothing on stderr' : 'why a part is empty'}`, async () => {
    const outcome = await manifests.run(args.split(' '), NO_FILES);
    assert.is(outcome.stderr, stderr);
    if (stderr !== '') assert.is(outcome.stdout, '');
  });
}

for (const [version, managed] of [
  [
    '1.12',
    '; if 1.12 is the version of the HyperConverged operator, it manages KubeVirt 1.2: write --kubevirt 1.2',
  ],
  [
    '1.19',
    '; if 1.19 is the version of the HyperConverged operator, it manages KubeVirt 1.9: write --kubevirt 1.9',
  ],
  ['1.10', ''],
  ['1.20', ''],
  ['1.99', ''],
] as const) {
  test(`warns that KubeVirt ${version} is newer than all known versions`, async () => {
    const known = 'because the newest version that this tapwire knows is 1.9';
    for (const operator of [[], ['--hco']]) {
      const args = ['--binding', 'tap', '--kubevirt', version, ...operator];
      const { stderr } = await manifests.run(args, NO_FILES);
      assert.is(stderr, `Warning: KubeVirt ${version} is treated like 1.9, ${known}${managed}\n`);
    }
  });
}

const OPENSHIFT = '# On OpenShift Virtualization, that CR is in another namespace: write "-n openshift-cnv".';
const lanOf = (name: string) => `, and creates their network default/${name}`;
for (const [args, comments] of [
  [
    '--binding tap --kubevirt 1.5',
    [
      '# 5 files. Read the comments first: they say what to edit. Then, in this order:',
      '# The last command starts example VMs (default/tapwire-primary, default/tapwire-dual-stack).',
      '# To leave them out: --part nad --part registration',
    ],
  ],
  [
    '--binding tap-secondary --kubevirt 1.4',
    [
      '# 5 files. Read the comments first: they say what to edit. Then, in this order:',
      `# The last command starts example VMs (default/tapwire-secondary)${lanOf('tapwire-lan')}.`,
      '# To leave them out: --part nad --part registration --part gate',
    ],
  ],
  [
    '--binding slirp --hco',
    [
      '# 3 files. Read the comments first: they say what to edit. Then, in this order:',
      OPENSHIFT,
      '# The last command starts example VMs (default/tapwire-slirp).',
      '# To leave them out: --part registration',
    ],
  ],
  [
    '--binding tap --part vm --namespace vms',
    [
      '# 3 files. Read the comments first: they say what to edit. Then, in this order:',
      '# The last command starts example VMs (vms/tapwire-primary, vms/tapwire-dual-stack).',
      '# To leave them out: omit --part vm',
    ],
  ],
  [
    '--binding tap --part registration',
    ['# 1 file. Read the comments first: they say what to edit. Then, in this order:'],
  ],
] as const) {
  test(`${args} --output says what the commands do`, async () => {
    const printed = await print(...args.split(' '), '--output', 'dir');
    assert.equal(
      printed.split('\n').filter((line) => line.startsWith('#')),
      comments,
    );
  });
}

const REGISTER = 'kubectl -n kubevirt patch kubevirt kubevirt --type=merge --patch-file=';
for (const [why, args, commands] of [
  [
    'NADs, patches, and VMs, which start at once',
    '--binding tap --binding tap-secondary',
    [
      'kubectl apply -f dir/tap-nad.yaml',
      'kubectl apply -f dir/tap-secondary-nad.yaml',
      `${REGISTER}dir/tap-kubevirt-1.1.yaml`,
      `${REGISTER}dir/tap-secondary-kubevirt-1.1.yaml`,
      'kubectl apply -k dir',
    ],
  ],
  [
    'NADs and patches, without VMs',
    '--binding tap --part registration --part nad',
    ['kubectl apply -k dir', `${REGISTER}dir/tap-kubevirt-1.1.yaml`],
  ],
  ['patches only', '--binding tap --part registration', [`${REGISTER}dir/tap-kubevirt-1.1.yaml`]],
  ['VMs only', '--binding tap --part vm', ['kubectl apply -k dir']],
] as const) {
  test(`--output prints the commands in this order: ${why}`, async () => {
    const { stdout, directory } = await manifests.run([...args.split(' '), '--output', 'dir'], NO_FILES);
    assert.equal(
      stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#')),
      commands,
    );
    const kustomization = directory?.files.get('kustomization.yaml') ?? '';
    assert.is(kustomization.includes('VMs are examples'), kustomization.includes('vm-'));
  });
}

test('without --part, prints the gate if KubeVirt needs it', async () => {
  const has = async (...args: readonly string[]) =>
    (await print('--binding', 'tap', ...args)).includes('op: add');
  assert.is(await has('--kubevirt', '1.4'), true);
  assert.is(await has('--kubevirt', '1.5'), false);
  assert.is(await has('--kubevirt', '1.4', '--hco'), false);
});

test('writes namespaces, image and migration to the right fields', async () => {
  const args =
    '--namespace vms --nad-namespace infra --image registry.example/tapwire:1 --migration refresh'.split(' ');
  const [nad, registration, primary, dualStack] = await documents('--binding', 'tap', ...args);
  assert.is(nad.metadata.namespace, 'infra');
  assert.equal(registration.spec.configuration.network.binding.tapwire, {
    networkAttachmentDefinition: 'infra/tapwire-tap',
    domainAttachmentType: 'tap',
    sidecarImage: 'registry.example/tapwire:1',
    migration: { method: 'link-refresh' },
  });
  assert.equal(
    [primary, dualStack].map(({ metadata }) => metadata.namespace),
    ['vms', 'vms'],
  );
  const part = ['--part', 'vm', '--namespace', 'vms'];
  const made = await documents('--binding', 'tap-secondary', ...part);
  assert.equal(
    made.map(({ kind, metadata }) => [kind, metadata.namespace]),
    [
      ['NetworkAttachmentDefinition', 'vms'],
      ['VirtualMachine', 'vms'],
    ],
  );
});

test('registers macvtap without a NAD and without migration, and its NAD names a resource', async () => {
  const [nad, registration, vm] = await documents('--binding', 'macvtap', '--namespace', 'vms');
  assert.equal(nad.metadata, {
    name: 'tapwire-lan-macvtap',
    namespace: 'vms',
    annotations: { 'k8s.v1.cni.cncf.io/resourceName': 'tapwire.io/vm-lan' },
  });
  assert.equal(JSON.parse(nad.spec.config), {
    cniVersion: '1.0.0',
    name: 'tapwire-lan-macvtap',
    type: 'tapwire',
    binding: 'macvtap',
  });
  assert.equal(registration.spec.configuration.network.binding, {
    'tapwire-macvtap': { domainAttachmentType: 'tap' },
  });
  const { domain, networks } = vm.spec.template.spec;
  assert.equal(domain.devices.interfaces, [
    { name: 'default', masquerade: {} },
    { name: 'tapwire-lan-macvtap', binding: { name: 'tapwire-macvtap' } },
  ]);
  assert.equal(networks[1], { name: 'tapwire-lan-macvtap', multus: { networkName: 'tapwire-lan-macvtap' } });
});

test('--migration keep writes an empty migration', async () => {
  const [registration] = await documents('--binding', 'tap', '--part', 'registration', '--migration', 'keep');
  assert.equal(registration.spec.configuration.network.binding.tapwire.migration, {});
});

test('--migration applies to the bindings that have the choice, and leaves the others as they are', async () => {
  const kinds = ['tap', 'tap-secondary', 'tap-mq', 'tap-pod-ip', 'macvtap', 'passt'].map(
    (kind) => `--binding=${kind}`,
  );
  const bindingsOf = async (...args: readonly string[]) =>
    Object.assign(
      {},
      ...(await documents(...kinds, '--part', 'registration', ...args)).map(
        ({ spec }) => spec.configuration.network.binding,
      ),
    );
  const [plain, kept] = [await bindingsOf(), await bindingsOf('--migration', 'keep')];
  assert.equal(kept, {
    ...plain,
    tapwire: { ...plain.tapwire, migration: {} },
    'tapwire-mq': { ...plain['tapwire-mq'], migration: {} },
    'tapwire-pod-ip': { ...plain['tapwire-pod-ip'], migration: {} },
  });
  assert.equal(kept['tapwire-passt'].migration, { method: 'link-refresh' });
});

test('quotes names that YAML would not read as text', async () => {
  for (const namespace of ['on', 'no', '1e3', '0x10', '12', 'null', 'y']) {
    const text = await print('--binding', 'tap', '--part', 'nad', '--nad-namespace', namespace);
    for (const version of ['1.1', '1.2'] as const) {
      const [document] = parseAllDocuments(text, { version });
      assert.is(document?.toJS().metadata.namespace, namespace, `YAML ${version}`);
    }
  }
});

test('prints no field that the API drops, with any options', async () => {
  for (const kubevirt of ['1.1.1', '1.2', '1.3', '1.4', '1.5', '1.9']) {
    for (const operator of [[], ['--hco']]) {
      const args = [
        '--binding',
        'tap',
        '--binding',
        'passt',
        '--kubevirt',
        kubevirt,
        '--image',
        'i',
        ...operator,
      ];
      const made = (await documents(...args)).filter((document) => !Array.isArray(document));
      assert.equal(made.map(asKept), made);
    }
  }
});

const SEE = 'see "tapwire manifests --help"';
for (const [args, message] of [
  [
    '',
    `Cannot run "tapwire manifests": want --binding with one of tap, tap-mq, tap-pod-ip, tap-pod-ip-mq, tap-secondary, tap-secondary-mq, macvtap, passt, slirp; ${SEE}`,
  ],
  [
    '--binding tip',
    'Cannot read --binding: want "tap" or "tap-mq" or "tap-pod-ip" or "tap-pod-ip-mq" or "tap-secondary" or "tap-secondary-mq" or "macvtap" or "passt" or "slirp", got "tip"',
  ],
  [
    '--binding tap --part vms',
    'Cannot read --part: want "nad" or "registration" or "gate" or "vm", got "vms"',
  ],
  ['--binding tap --form both', 'Cannot read --form: want "binding" or "network", got "both"'],
  ['--binding tap --namespace a_b', 'Cannot read --namespace: want the name of a namespace, got "a_b"'],
  ['--binding tap --nad-namespace=', 'Cannot read --nad-namespace: want the name of a namespace, got ""'],
  ['--binding tap --image -x', /^Cannot run "tapwire manifests": Option '--image' argument is ambiguous/],
  ['--binding tap --image=a$b', 'Cannot read --image: want the name of an image, got "a$b"'],
  ['--binding tap --migration yes', 'Cannot read --migration: want "keep" or "refresh", got "yes"'],
  [
    '--binding tap --kubevirt 1.1.0',
    'Cannot read --kubevirt "1.1.0": want 1.1.1 or a newer version, such as "1.9"',
  ],
  [
    '--binding tap --kubevirt 1.1 --migration keep',
    `Cannot run "tapwire manifests": --migration needs KubeVirt 1.2 or newer; 1.1 drops the field; ${SEE}`,
  ],
  [
    '--binding slirp --form network',
    `Cannot run "tapwire manifests": --form network is for tap, tap-mq, tap-pod-ip, tap-pod-ip-mq, macvtap, passt, not for slirp; ${SEE}`,
  ],
  [
    '--binding tap --binding tap-secondary --form network',
    `Cannot run "tapwire manifests": --form network is for tap, tap-mq, tap-pod-ip, tap-pod-ip-mq, macvtap, passt, not for tap-secondary; ${SEE}`,
  ],
  [
    '--binding tap --binding macvtap --form binding',
    `Cannot run "tapwire manifests": --form binding is for tap, tap-mq, tap-pod-ip, tap-pod-ip-mq, tap-secondary, tap-secondary-mq, passt, slirp, not for macvtap; ${SEE}`,
  ],
  [
    '--binding macvtap --migration keep',
    `Cannot run "tapwire manifests": --migration is for tap, tap-mq, tap-pod-ip, tap-pod-ip-mq, not for macvtap; ${SEE}`,
  ],
  [
    '--binding tap-secondary --binding passt --migration keep',
    `Cannot run "tapwire manifests": --migration is for tap, tap-mq, tap-pod-ip, tap-pod-ip-mq, not for tap-secondary, passt; ${SEE}`,
  ],
  ['--binding tap --output=', `Cannot run "tapwire manifests": --output: want a directory, got ""; ${SEE}`],
  ['--binding tap extra', /^Cannot run "tapwire manifests": Unexpected argument 'extra'/],
  [
    '--bindings tap',
    /^Cannot run "tapwire manifests": Unknown option '--bindings'.*; see "tapwire manifests --help"$/,
  ],
] as const) {
  test(`rejects ${args || 'no arguments'}`, async () => {
    const error = await caught(() => manifests.run(args.split(' ').filter(Boolean), NO_FILES));
    assert.is(error.code, 'INVALID_CONFIG');
    if (typeof message === 'string') assert.is(error.message, message);
    else assert.match(error.message, message);
  });
}

test.run();
