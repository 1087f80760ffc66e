import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type KnownInterface, prepareCloudInit } from '../../../sidecar/prepare-cloud-init.ts';
import { caught } from '../../helpers/caught.ts';
import { bridged, calico, recordedCloudInit, withoutNetworkData } from '../../helpers/sidecar/cloud-init.ts';

const test = suite('prepareCloudInit()');

const recorded = recordedCloudInit();
/** The recorded VMI with this value of the annotation. */
const annotated = (value: string): Buffer => {
  const vmi = JSON.parse(recorded.vmi.toString());
  vmi.metadata.annotations['tapwire.io/network-config'] = value;
  return Buffer.from(JSON.stringify(vmi));
};
const empty = Buffer.from(withoutNetworkData(recorded.cloudInitData));
const asking = { ...recorded, cloudInitData: empty, vmi: annotated('pod') };

const named: KnownInterface = { name: 'default', mac: '02:00:00:00:00:11', network: calico };
const other: KnownInterface = { name: 'lan', mac: '02:00:00:00:00:12', network: bridged };
const noAddress: KnownInterface = { ...other, network: { ...bridged, ipv4: null, ipv6: null } };
const never = () => Promise.reject(new Error('The pod was observed'));

test('prepareCloudInit() adds a config for all known interfaces, and changes nothing else', async () => {
  const { cloudInitData, interfaces, warnings } = await prepareCloudInit(asking, async () => [named, other]);
  const { NetworkData, ...rest } = JSON.parse(Buffer.from(cloudInitData).toString());
  const { NetworkData: _, ...before } = JSON.parse(empty.toString());
  assert.equal(rest, before);
  const { version, ethernets } = JSON.parse(NetworkData);
  assert.equal(
    [version, ethernets.nic0.match, ethernets.nic1.match],
    [2, { macaddress: named.mac }, { macaddress: other.mac }],
  );
  assert.equal([interfaces, warnings], [['default', 'lan'], []]);
});

test("prepareCloudInit() adds data in OpenStack's format to ConfigDrive", async () => {
  const cloudInitData = Buffer.from(empty.toString().replace('"noCloud"', '"configDrive"'));
  const changed = await prepareCloudInit({ ...asking, cloudInitData }, async () => [named, other]);
  const { NetworkData } = JSON.parse(Buffer.from(changed.cloudInitData).toString());
  assert.is(JSON.parse(NetworkData).links.length, 2);
});

for (const [why, params] of [
  ['the VMI has no annotation', { ...asking, vmi: recorded.vmi }],
  ['the VMI is an empty object', { ...asking, vmi: Buffer.from('{}') }],
  ['there is no VMI', { ...asking, vmi: Buffer.alloc(0) }],
  ['there are no data', { ...asking, cloudInitData: Buffer.alloc(0) }],
] as const) {
  test(`prepareCloudInit() returns the same bytes silently, and does not observe the pod, if ${why}`, async () => {
    const result = await prepareCloudInit(params, never);
    assert.is(result.cloudInitData, params.cloudInitData);
    assert.equal([result.interfaces, result.warnings], [[], []]);
  });
}

const NO_EFFECT = 'annotation "tapwire.io/network-config" of the VM has no effect: ';

for (const [why, params, known, warning] of [
  [
    'the annotation has another value',
    { ...asking, vmi: annotated('Pod') },
    [named],
    'want "pod", got "Pod"',
  ],
  ['the annotation is empty', { ...asking, vmi: annotated('') }, [named], 'want "pod", got ""'],
  [
    'no interface has an address',
    asking,
    [noAddress],
    'no interface of the VM has an address that the sidecar knows; set "guestAddresses": "pod" in the NAD of the binding',
  ],
  [
    'the user has written network data',
    { ...recorded, vmi: annotated('pod') },
    [named],
    "the VM's cloud-init volume has network data of its own",
  ],
] as const) {
  test(`prepareCloudInit() returns the same bytes with a warning if ${why}`, async () => {
    const result = await prepareCloudInit(params, async () => known);
    assert.is(result.cloudInitData, params.cloudInitData);
    assert.equal([result.interfaces, result.warnings], [[], [`${NO_EFFECT}${warning}`]]);
  });
}

test('prepareCloudInit() warns of interfaces that the config leaves out', async () => {
  const { interfaces, warnings } = await prepareCloudInit(asking, async () => [named, noAddress]);
  assert.equal(interfaces, ['default']);
  assert.match(warnings[0] ?? '', /^the cloud-init network config leaves out "lan", because/);
});

test('prepareCloudInit() shortens the value of an annotation in its warning', async () => {
  const { warnings } = await prepareCloudInit({ ...asking, vmi: annotated('x'.repeat(9_999)) }, never);
  assert.ok((warnings[0] ?? '').length < 200);
});

test('prepareCloudInit() never quotes cloud-init data', async () => {
  const SECRET = 'S3CRET';
  const cloudInitData = Buffer.from(empty.toString().replace('hostname: dummy', SECRET));
  assert.ok(cloudInitData.includes(SECRET));
  for (const known of [[named], [noAddress], [named, other]]) {
    const { warnings } = await prepareCloudInit({ ...asking, cloudInitData }, async () => known);
    assert.not.match(warnings.join(), SECRET);
  }
  const error = await caught(() =>
    prepareCloudInit({ ...asking, vmi: Buffer.from(`{"a":"${SECRET}`) }, never),
  );
  assert.is(error.message, 'Cannot read the VMI: it is not JSON in UTF-8');
});

test.run();
