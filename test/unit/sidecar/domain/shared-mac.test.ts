import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { caught } from '../../../helpers/caught.ts';
import { defined } from '../../../helpers/sidecar/defined.ts';
import { tapLink, veth } from '../../../helpers/sidecar/vmi.ts';

const refuse = suite('refuseSharedMac()');

const MAC = '02:00:00:00:00:aa';
const other = (alias: string, mac: string) =>
  `<interface type="bridge"><mac address="${mac}"/><alias name="${alias}"/></interface>`;
const domain = (...interfaces: string[]) => `<domain><devices>${interfaces.join('')}</devices></domain>`;

/** Two interfaces of Tapwire's on networks of their own. */
const vmi = (macs: readonly (string | undefined)[]) => ({
  interfaces: macs.map((macAddress, index) => ({
    name: `n${index}`,
    binding: { name: 'tapwire' },
    macAddress,
  })),
  networks: macs.map((_, index) => ({ name: `n${index}`, multus: { networkName: 'x' } })),
});
const links = [1, 2].flatMap((index) => [
  veth(`net${index}`, { mac: `02:00:00:00:00:0${index}` }),
  tapLink(`tap${index}`),
]);

for (const [why, macs, xml, message] of [
  [
    "two of Tapwire's with one MAC from the VMI",
    [MAC, MAC.toUpperCase()],
    domain(),
    `Cannot bind interface "n1": interface "n0" has the same MAC address ${MAC}; give each interface its own macAddress in the VMI`,
  ],
  [
    "one of Tapwire's with the MAC of another's pod link",
    ['02:00:00:00:00:02', undefined],
    domain(),
    'Cannot bind interface "n1": interface "n0" has the same MAC address 02:00:00:00:00:02; ' +
      'give each interface its own macAddress in the VMI',
  ],
  [
    "one of Tapwire's with the MAC of another interface",
    [MAC],
    domain(other('ua-lan', MAC.toUpperCase())),
    `Cannot bind interface "n0": interface "lan" has the same MAC address ${MAC}; give each interface its own macAddress in the VMI`,
  ],
  ...[MAC.replaceAll(':', '-'), '0200.0000.00AA', '2:0:0:0:0:aa'].map(
    (form) =>
      [
        `one of Tapwire's with the MAC of another interface, which writes it ${form}`,
        [MAC],
        domain(other('ua-lan', form)),
        `Cannot bind interface "n0": interface "lan" has the same MAC address ${MAC}; give each interface its own macAddress in the VMI`,
      ] as const,
  ),
] as const) {
  refuse(`refuses ${why}`, async () => {
    const error = await caught(() => defined(xml, { vmi: vmi(macs), links }));
    assert.is(error.code, 'INVALID_VMI');
    assert.is(error.message, message);
  });
}

for (const [why, macs, xml] of [
  ['the one that it has itself', [MAC], domain(other('ua-n0', MAC))],
  [
    'the one that another interface takes over',
    [MAC, undefined],
    domain(other('ua-n0', '02:00:00:00:00:02')),
  ],
  ["its own pod link's", ['02:00:00:00:00:01', undefined], domain()],
  [
    'what two others have',
    [MAC],
    domain(other('ua-a', '02:00:00:00:00:bb'), other('ua-b', '02:00:00:00:00:bb')),
  ],
] as const) {
  refuse(`takes ${why}`, async () => {
    assert.match(await defined(xml, { vmi: vmi(macs), links }), /<target dev="tap1"/);
  });
}

refuse('accepts several without one, because libvirt generates them', async () => {
  const names = ['a', 'b'];
  const slirps = {
    interfaces: names.map((name) => ({ name, binding: { name: 'slirp' } })),
    networks: names.map((name) => ({ name, multus: { networkName: 'x' } })),
  };
  const answer = await defined(domain('<interface type="user"><alias name="ua-c"/></interface>'), {
    vmi: slirps,
    env: { TAPWIRE_BINDING_NAMES: 'slirp' },
  });
  assert.is(answer.match(/<interface type="user">/g)?.length, 3);
});

refuse.run();
