import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, kubevirt, nad } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: registrations of served guests');

const SERVED = nad('tapwire-pod-ip', { guestAddresses: 'pod' });
const IMAGE = 'registry.example.com/tapwire:0.1.0';

/** Findings for a registration of the NAD with this image. */
const findingsFor = (sidecarImage: unknown, nads = SERVED, name = 'tapwire-pod-ip') =>
  findingsOf(
    nads +
      kubevirt({
        [name]: {
          networkAttachmentDefinition: 'default/tapwire-pod-ip',
          domainAttachmentType: 'tap',
          sidecarImage,
        },
      }),
  );

const lineOf = (nads: string) => (nads === '' ? 8 : 13);
const finding = (reason: string, nads = SERVED) =>
  `${lineOf(nads)} error: binding "tapwire-pod-ip": NetworkAttachmentDefinition "default/tapwire-pod-ip" has "guestAddresses": "pod", ${reason}`;
const MISSING = "but no sidecar tells the guest its addresses; write sidecarImage, with Tapwire's image";
const foreign = (image: string) =>
  `but sidecarImage "${image}" does not tell the guest its addresses; write Tapwire's image`;

for (const [how, nads] of [
  ['in the files', SERVED],
  ['known by its name', ''],
] as const) {
  for (const image of [undefined, null, '']) {
    test(`rejects the sidecarImage ${image === '' ? '""' : image} for a NAD ${how}`, () => {
      assert.equal(findingsFor(image, nads), [finding(MISSING, nads)]);
    });
  }
  test(`accepts Tapwire's image for a NAD ${how}`, () => assert.equal(findingsFor(IMAGE, nads), []));
}

for (const image of [
  'quay.io/kubevirt/network-slirp-binding:v1.2.0',
  'registry.local:5000/mirror/network-passt-binding',
  'network-bridge-binding:1',
  'quay.io/kubevirt/sidecar-shim:v1.9.0',
  'quay.io/kubevirt/example-hook-sidecar:v1.0',
]) {
  test(`rejects ${image}, which serves no guest`, () => {
    assert.equal(findingsFor(image), [finding(foreign(image))]);
  });
}

for (const image of [
  'localhost/tapwire@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
  'registry.example.com/vms/sidecar:7',
  'registry.example.com/network-slirp-binding/tapwire:1',
  'registry.example.com/tapwire-sidecar-shim-fork:1',
]) {
  test(`accepts ${image}, which may serve guests`, () => assert.equal(findingsFor(image), []));
}

test('leaves an image for another kind of binding to another check', () => {
  const found = findingsFor(`${IMAGE}-passt`);
  assert.is(found.length, 1);
  assert.match(found[0] ?? '', 'serves only passt, but this binding is tap');
});

test('needs no sidecar for a guest that the network serves', () => {
  for (const conf of [{}, { guestAddresses: 'network' }, { spoofGuard: 'mac' }])
    assert.equal(findingsFor(undefined, nad('tapwire-pod-ip', conf)), []);
});

test.run();
