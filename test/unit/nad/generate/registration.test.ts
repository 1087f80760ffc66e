import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BINDING_KINDS, BINDINGS, FORMS } from '../../../../nad/bindings.ts';
import { changesOf, pluginOf, type Registration, wordsOf } from '../../../../nad/generate/registration.ts';
import { FIELD_SINCE } from '../../../../nad/kubevirt-versions.ts';

const test = suite('pluginOf()');

const BASE: Registration = {
  kind: 'tap',
  form: 'binding',
  minor: 9,
  isForOneVersion: false,
  nadNamespace: 'default',
  image: null,
  migration: null,
};
const plugin = (order: Partial<Registration>) => pluginOf({ ...BASE, ...order });

const TAP = { networkAttachmentDefinition: 'default/tapwire-tap', domainAttachmentType: 'tap' };
const PASST = { networkAttachmentDefinition: 'default/tapwire-passt', sidecarImage: 'IMAGE' };
const REFRESH = { migration: { method: 'link-refresh' } };
const OVERHEAD = { computeResourceOverhead: { requests: { memory: '500Mi' } } };

/** The registration for each KubeVirt of 1.1.1 to 1.9: one row for each change. */
for (const [kind, rows] of [
  ['tap', [['1.1.1 and newer', TAP]]],
  ['tap-mq', [['1.1.1 and newer', { ...TAP, networkAttachmentDefinition: 'default/tapwire-tap-mq' }]]],
  ...(['', '-mq'] as const).map((suffix) => {
    const nad = `default/tapwire-pod-ip${suffix}`;
    const served = { ...TAP, networkAttachmentDefinition: nad, sidecarImage: 'IMAGE' };
    const rows = [
      ['1.1, from 1.1.1 on', served],
      ['1.2 and newer', { ...served, ...REFRESH }],
    ] as const;
    return [`tap-pod-ip${suffix}`, rows] as const;
  }),
  ...(['', '-mq'] as const).map(
    (suffix) =>
      [
        `tap-secondary${suffix}`,
        [['1.1.1 and newer', { ...TAP, networkAttachmentDefinition: `default/tapwire-secondary${suffix}` }]],
      ] as const,
  ),
  [
    'passt',
    [
      ['1.1, from 1.1.1 on', PASST],
      ['1.2', { ...PASST, ...REFRESH }],
      ['1.3 and newer', { ...PASST, ...REFRESH, ...OVERHEAD }],
    ],
  ],
  ['slirp', [['1.1.1 and newer', { sidecarImage: 'IMAGE' }]]],
  ['macvtap', [['1.1.1 and newer', { domainAttachmentType: 'tap' }]]],
] as const) {
  test(`${kind}: changes when its fields do`, () => {
    const [form] = BINDINGS[kind].forms;
    const seen = changesOf({ ...BASE, kind, form }).map((minor) => [
      wordsOf({ ...BASE, kind, form, minor }),
      plugin({ kind, form, minor }),
    ]);
    assert.equal(seen, rows);
  });
}

for (const kind of BINDING_KINDS) {
  for (const minor of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) {
    test(`${kind} has no field that KubeVirt 1.${minor} would drop`, () => {
      for (const form of FORMS) {
        const made = plugin({ kind, form, minor, migration: kind.startsWith('tap') ? {} : null });
        const unknown = Object.keys(made).filter((field) => FIELD_SINCE[field as keyof typeof made] > minor);
        assert.equal(unknown, []);
      }
    });
  }
}

for (const [why, order, want] of [
  ['migration on request', { migration: {} }, { ...TAP, migration: {} }],
  [
    'the migration that is asked for instead of the default',
    { kind: 'tap-pod-ip', image: 'i:1', migration: {} },
    { ...TAP, networkAttachmentDefinition: 'default/tapwire-pod-ip', sidecarImage: 'i:1', migration: {} },
  ],
  [
    'a sidecar of a served tap also if the network names the NAD',
    { kind: 'tap-pod-ip', form: 'network' },
    { domainAttachmentType: 'tap', sidecarImage: 'IMAGE', ...REFRESH },
  ],
  ['an image on request', { image: 'i:1' }, { ...TAP, sidecarImage: 'i:1' }],
  ['the image that is given', { kind: 'slirp', image: 'i:1' }, { sidecarImage: 'i:1' }],
  [
    'the namespace of the NAD',
    { nadNamespace: 'vms' },
    { ...TAP, networkAttachmentDefinition: 'vms/tapwire-tap' },
  ],
  ["no NAD if the VM's network names it", { form: 'network' }, { domainAttachmentType: 'tap' }],
  [
    'for a newer version, the output of the newest supported one',
    { kind: 'passt', minor: 42 },
    { ...PASST, ...REFRESH, ...OVERHEAD },
  ],
] as const) {
  test(why, () => assert.equal(plugin(order), want));
}

test('a tap with migration changes in 1.2', () => {
  assert.equal(changesOf({ ...BASE, migration: {} }), [1, 2]);
});

test.run();
