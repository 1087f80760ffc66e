import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, vm } from '../../../helpers/cluster/check.ts';

const test = suite("tapwire check: cloud-init's network data");

const MAC = '02:00:00:00:00:1a';
const OTHER = '02:00:00:00:00:1b';

/** Findings for a VM with this MAC and this network data. */
const findingsFor = (volume: object, macAddress: string | undefined = MAC) =>
  findingsOf(
    vm({ interfaces: [{ name: 'default', masquerade: {}, macAddress }] }) +
      `      volumes: ${JSON.stringify([{ name: 'root' }, { name: 'init', ...volume }])}\n`,
  );

const noCloud = (networkData: string) => ({ cloudInitNoCloud: { networkData } });
const finding = [
  `10 warning: VirtualMachine "vms/red": volume "init": networkData is for a NIC with the MAC ${OTHER}, and no interface has it, ` +
    'so cloud-init ignores it; write the macAddress of an interface there',
];

const v2 = (mac: string) => JSON.stringify({ version: 2, ethernets: { a: { match: { macaddress: mac } } } });
const v1 = (mac: string) => `version: 1\nconfig:\n- type: physical\n  mac_address: '${mac}'\n`;

for (const [why, networkDataFor] of [
  ['version 2 as JSON', v2],
  ['version 2 as YAML', (mac: string) => `ethernets:\n  a:\n    match:\n      macaddress: "${mac}"\n`],
  ['version 1', v1],
] as const) {
  test(`finds a MAC that no interface has: ${why}`, () => {
    assert.equal(findingsFor(noCloud(networkDataFor(OTHER))), finding);
    assert.equal(findingsFor(noCloud(networkDataFor(OTHER.toUpperCase()))), finding);
    assert.equal(findingsFor(noCloud(networkDataFor(OTHER)), ''), finding);
    assert.equal(findingsFor(noCloud(networkDataFor(MAC))), []);
    assert.equal(findingsFor(noCloud(networkDataFor(MAC.toUpperCase())), MAC.replaceAll(':', '-')), []);
  });
}

test('reads config drives and base64', () => {
  assert.equal(findingsFor({ cloudInitConfigDrive: { networkData: v2(OTHER) } }), finding);
  const networkDataBase64 = Buffer.from(v2(OTHER)).toString('base64');
  assert.equal(findingsFor({ cloudInitNoCloud: { networkDataBase64 } }), finding);
});

test('accepts network data by name, in a Secret, and none', () => {
  for (const volume of [
    noCloud('{"version": 2, "ethernets": {"enp1s0": {"dhcp4": true}}}'),
    { cloudInitNoCloud: { networkDataSecretRef: { name: 'a' } } },
    { cloudInitNoCloud: { networkData: 5 } },
    noCloud('macaddress: 02-00:00:00:00:1b'),
    {},
  ])
    assert.equal(findingsFor(volume), []);
  assert.equal(
    findingsOf(`${vm({ interfaces: [{ name: 'default', masquerade: {} }] })}      volumes: 5\n`),
    [],
  );
});

test.run();
