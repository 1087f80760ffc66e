import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, kubevirt, nad } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: registrations');

const NADS =
  nad('tapwire-tap') +
  nad('tapwire-tap-mq', { multiQueue: true }) +
  nad('tapwire-passt', { binding: 'passt' }) +
  nad('other', { type: 'bridge' });
const TAP = { networkAttachmentDefinition: 'default/tapwire-tap', domainAttachmentType: 'tap' };
const PASST = { networkAttachmentDefinition: 'default/tapwire-passt', sidecarImage: 'i' };

/** Returns the findings of one registration without their lines. */
const check = (plugin: object, minor: number, nads = NADS) =>
  findingsOf(nads + kubevirt({ b: plugin }), minor).map((finding) => finding.replace(/^\d+ /, ''));

for (const [why, plugin, minor] of [
  ['a tap', TAP, 1],
  ['a tap with only a sidecar', { ...TAP, domainAttachmentType: '', sidecarImage: 'i' }, 1],
  ['migration since 1.2', { ...TAP, migration: {} }, 2],
  ['link-refresh', { ...TAP, migration: { method: 'link-refresh' } }, 9],
  [
    'overhead and device information since 1.3',
    { ...PASST, computeResourceOverhead: {}, downwardAPI: 'device-info' },
    3,
  ],
  ['managedTap since 1.4', { domainAttachmentType: 'managedTap', migration: {} }, 4],
  [
    "managedTap with another plugin's NAD",
    { networkAttachmentDefinition: 'default/other', domainAttachmentType: 'managedTap' },
    9,
  ],
  ['passt', PASST, 1],
  ['only a sidecar', { sidecarImage: 'i' }, 1],
] as const) {
  test(`accepts ${why}`, () => assert.equal(check(plugin, minor), []));
}

const KNOWN = 'sidecarImage, networkAttachmentDefinition, domainAttachmentType';
const NO_NIC = 'which silently gives the VM no NIC; want';
for (const [why, plugin, minor, finding] of [
  ...['Tap', 'ManagedTap', 'taps', 'bridge'].map(
    (type) =>
      [
        `domainAttachmentType "${type}"`,
        { ...TAP, domainAttachmentType: type },
        9,
        `error: binding "b": domainAttachmentType "${type}" is unknown to KubeVirt 1.9, ${NO_NIC} "tap" or "managedTap"`,
      ] as const,
  ),
  [
    'managedTap before 1.4',
    { domainAttachmentType: 'managedTap' },
    3,
    `error: binding "b": domainAttachmentType "managedTap" is unknown to KubeVirt 1.3, ${NO_NIC} "tap"`,
  ],
  [
    'a domainAttachmentType that is not a string',
    { ...TAP, domainAttachmentType: ['tap'] },
    9,
    `error: binding "b": domainAttachmentType ["tap"] is unknown to KubeVirt 1.9, ${NO_NIC} "tap" or "managedTap"`,
  ],
  [
    'an unknown field',
    { ...TAP, domainattachmenttype: 'tap' },
    1,
    `error: binding "b": KubeVirt 1.1 silently drops the field "domainattachmenttype": it knows only ${KNOWN}`,
  ],
  ...(
    [
      ['migration', {}, 1, 2],
      ['computeResourceOverhead', {}, 2, 3],
      ['downwardAPI', 'device-info', 2, 3],
    ] as const
  ).map(
    ([field, value, minor, since]) =>
      [
        `${field} before 1.${since}`,
        { ...PASST, [field]: value },
        minor,
        `error: binding "b": KubeVirt 1.${minor} silently drops the field "${field}": it came with 1.${since}; remove it`,
      ] as const,
  ),
  [
    "Tapwire's tap with managedTap",
    { ...TAP, domainAttachmentType: 'managedTap' },
    9,
    'error: binding "b": with "managedTap" KubeVirt takes the pod link that networkAttachmentDefinition has wired to a tap, and the VM fails or has no network; write "tap", or remove networkAttachmentDefinition',
  ],
  [
    'a tap without an attachment',
    { networkAttachmentDefinition: 'default/tapwire-tap-mq' },
    9,
    'error: binding "b": nothing gives the VM a NIC on the tap; write domainAttachmentType "tap"',
  ],
  [
    'passt as a tap',
    { ...PASST, domainAttachmentType: 'tap' },
    9,
    'error: binding "b": passt has no tap, so domainAttachmentType does not apply; remove it',
  ],
  [
    'passt without its sidecar',
    { networkAttachmentDefinition: 'default/tapwire-passt' },
    9,
    'error: binding "b": only a sidecar can create the NIC for passt; name its image',
  ],
  [
    'an unknown migration method',
    { ...TAP, migration: { method: 'refresh' } },
    9,
    'warning: binding "b": migration.method "refresh" is unknown to KubeVirt, which ignores it; want "link-refresh", or remove it',
  ],
  [
    'another downwardAPI',
    { ...TAP, downwardAPI: 'devices' },
    9,
    'warning: binding "b": downwardAPI "devices" is unknown to KubeVirt, which ignores it; want "device-info", or remove it',
  ],
] as const) {
  test(`finds ${why}`, () => assert.equal(check(plugin, minor), [finding]));
}

test('knows the NADs of nad/ by name if the files do not contain them', () => {
  const [finding = ''] = check({ ...TAP, domainAttachmentType: 'managedTap' }, 9, '');
  assert.match(finding, 'with "managedTap" KubeVirt takes the pod link');
});

test('prefers a NAD in the files to the known NAD of the same name', () => {
  const foreign = nad('tapwire-tap', { type: 'bridge' });
  assert.equal(check({ ...TAP, domainAttachmentType: 'managedTap' }, 9, foreign), []);
});

test('names the line', () => {
  const cr = `apiVersion: kubevirt.io/v1
kind: KubeVirt
metadata: {name: kubevirt, namespace: kubevirt}
spec:
  configuration:
    network:
      binding:
        tapwire:
          networkAttachmentDefinition: default/tapwire-tap
          domainAttachmentType: Tap
          bogus: 1
`;
  assert.equal(
    findingsOf(cr).map((finding) => finding.split(' ')[0]),
    ['10', '11'],
  );
});

for (const image of [
  'i',
  'tapwire:1',
  'example.com/tapwire',
  'example.com:5000/a/b_c/tap-wire__x:v1.0-rc.1',
  `localhost/tapwire@sha256:${'0'.repeat(64)}`,
  `example.com/tapwire:1@sha256:${'a'.repeat(64)}`,
  '[fd00::1]:5000/tapwire:1',
  'Example.COM/tapwire:Latest',
  '',
]) {
  test(`accepts the image ${JSON.stringify(image)}`, () =>
    assert.equal(check({ domainAttachmentType: 'tap', sidecarImage: image }, 9), []));
}
const SLIRP = 'registry.example:5000/tapwire:0.1.0-slirp';
const NAMES =
  'tapwire, tapwire-mq, tapwire-pod-ip, tapwire-pod-ip-mq, tapwire-secondary, tapwire-secondary-mq, tapwire-macvtap, tapwire-passt, tapwire-slirp';
for (const [why, name, plugin, minor, want] of [
  [
    'an image for passt on a tap',
    'tapwire',
    { ...TAP, sidecarImage: 'localhost/tapwire:0.1.0-passt' },
    9,
    'error: binding "tapwire": sidecarImage "localhost/tapwire:0.1.0-passt" serves only passt, but this binding is tap; ' +
      'remove "-passt" from its tag, because the image without it serves every binding',
  ],
  [
    'an image for slirp on passt, by any name, with a digest',
    'b',
    { ...PASST, sidecarImage: `t:1-slirp@sha256:${'0'.repeat(32)}` },
    1,
    `error: binding "b": sidecarImage "t:1-slirp@sha256:${'0'.repeat(32)}" serves only slirp, but this binding is passt; ` +
      'remove "-slirp" from its tag, because the image without it serves every binding',
  ],
  [
    'an image for passt on slirp',
    'tapwire-slirp',
    { sidecarImage: 'tapwire:0.1.0-passt' },
    1,
    'error: binding "tapwire-slirp": sidecarImage "tapwire:0.1.0-passt" serves only passt, but this binding is slirp; ' +
      'remove "-passt" from its tag, because the image without it serves every binding',
  ],
  [
    'a name that older sidecars are not told',
    'nat-passt',
    { ...PASST, sidecarImage: 'localhost/tapwire:0.1.0' },
    8,
    `warning: binding "nat-passt": sidecarImage "localhost/tapwire:0.1.0" does not serve this name before KubeVirt 1.9, only ${NAMES}; ` +
      'use one of those names, or build an image that sets TAPWIRE_BINDING_NAMES=nat-passt',
  ],
  [
    'passt by a name that does not say so',
    'nat',
    { ...PASST, sidecarImage: 'localhost/tapwire' },
    9,
    'warning: binding "nat": sidecarImage "localhost/tapwire" cannot know that this binding is passt; ' +
      'give it a name with the word "passt", such as "lan-passt", or use the image with "-passt" in its tag',
  ],
  ['one image for passt', 'tapwire-passt', { ...PASST, sidecarImage: 'tapwire:0.1.0' }, 1, null],
  ['one image for slirp', 'tapwire-slirp', { sidecarImage: 'tapwire:0.1.0' }, 1, null],
  ['one image for a tap', 'tapwire', { ...TAP, sidecarImage: 'tapwire:0.1.0' }, 1, null],
  ['an image for passt', 'tapwire-passt', { ...PASST, sidecarImage: 'tapwire:0.1.0-passt' }, 1, null],
  ['an image for passt by another name', 'nat', { ...PASST, sidecarImage: 'tapwire:0.1.0-passt' }, 9, null],
  ['an image for slirp', 'tapwire-slirp', { sidecarImage: SLIRP }, 9, null],
  ['one image for a name with the word', 'nat-passt', { ...PASST, sidecarImage: 'tapwire:1' }, 9, null],
  [
    "another program's image on its own NAD",
    'b',
    { networkAttachmentDefinition: 'default/other', sidecarImage: SLIRP },
    9,
    null,
  ],
] as const) {
  test(`${want === null ? 'accepts' : 'finds'} ${why}`, () => {
    const findings = findingsOf(NADS + kubevirt({ [name]: plugin }), minor);
    assert.equal(
      findings.map((finding) => finding.replace(/^\d+ /, '')),
      want === null ? [] : [want],
    );
  });
}

for (const image of ['IMAGE', 'image', '<IMAGE>', `$${'{IMAGE}'}`, '{{ image }}', '%IMAGE%', '$(IMAGE)']) {
  test(`finds the placeholder ${image}`, () => {
    assert.equal(check({ ...TAP, sidecarImage: image }, 9), [
      `warning: binding "b": sidecarImage ${JSON.stringify(image)} is a placeholder, and no VM starts with it; write the name of the image`,
    ]);
  });
}
for (const image of [
  'Tapwire',
  'tapwire:',
  'tap wire',
  ' tapwire',
  'tapwire:1:2',
  'https://example.com/tapwire',
  '/tapwire',
]) {
  test(`finds ${JSON.stringify(image)}, which is not the name of an image`, () => {
    assert.equal(check({ ...TAP, sidecarImage: image }, 9), [
      `error: binding "b": sidecarImage ${JSON.stringify(image)} is not the name of an image, and no VM with this binding starts; correct it`,
    ]);
  });
}

for (const [field, value, finding] of [
  ['sidecarImage', 5, 'sidecarImage must be a string, got 5'],
  ['networkAttachmentDefinition', ['a'], 'networkAttachmentDefinition must be a string, got ["a"]'],
  ['migration', true, 'migration must be an object, got true'],
  ['downwardAPI', true, 'downwardAPI must be a string, got true'],
  ['computeResourceOverhead', '1Gi', 'computeResourceOverhead must be an object, got "1Gi"'],
  ...['a/b/c', 'default/', '/tap', 'Default/Tap', 'tap wire', 'a_b'].map(
    (name) =>
      [
        'networkAttachmentDefinition',
        name,
        `networkAttachmentDefinition "${name}" is not a valid name; want "NAMESPACE/NAME" or "NAME"`,
      ] as const,
  ),
] as const) {
  test(`finds ${field} ${JSON.stringify(value)}`, () => {
    assert.equal(check({ domainAttachmentType: 'tap', [field]: value }, 9, ''), [
      `error: binding "b": ${finding}`,
    ]);
  });
}
test('accepts null for a field that is not set', () => {
  const nothing = {
    sidecarImage: null,
    networkAttachmentDefinition: null,
    migration: null,
    downwardAPI: null,
  };
  assert.equal(check({ domainAttachmentType: 'tap', ...nothing }, 9), []);
  assert.equal(check({ domainAttachmentType: null, sidecarImage: 'i' }, 9), []);
});

test.run();
