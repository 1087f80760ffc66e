import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { resolveAttachment } from '../../../../../cni/bindings/tap/attachment.ts';
import { caught } from '../../../../helpers/caught.ts';
import { tapConf } from '../../../../helpers/pod/seen.ts';

const test = suite('resolveAttachment()');

const BLUE = 'pod16477688c0e';
const SECONDARY = { network: 'secondary' };

function resolve(
  ifname: string,
  network: string | null,
  ifnames: readonly string[],
  podLink?: string,
  keys: Readonly<Record<string, unknown>> = {},
) {
  const conf = tapConf({ ...keys, podLink, args: { cni: { logicNetworkName: network } } });
  const links = ifnames.map((name) => ({ ifname: name }));
  const attachment = resolveAttachment({ containerId: 'pod1', ifname }, conf, links);
  return [attachment.podLink, attachment.tap];
}

for (const [why, got, want] of [
  [
    'binding, secondary network: its hashed link',
    resolve('net3', 'blue', ['lo', 'eth0', BLUE]),
    [BLUE, 'tap16477688c0e'],
  ],
  [
    'binding, secondary network: podLink is for the primary',
    resolve('net3', 'blue', ['eth0', BLUE], 'eth0'),
    [BLUE, 'tap16477688c0e'],
  ],
  ['binding, primary network', resolve('net1', 'default', ['lo', 'eth0']), ['eth0', 'tap0']],
  [
    'binding, primary network next to a hashed link',
    resolve('net1', 'default', ['lo', 'eth0', BLUE]),
    ['eth0', 'tap0'],
  ],
  [
    'binding, primary user-defined network',
    resolve('net1', 'default', ['eth0', 'ovn-udn1']),
    ['ovn-udn1', 'tap0'],
  ],
  [
    'binding, primary network with podLink',
    resolve('net1', 'default', ['eth0', 'ens5'], 'ens5'),
    ['ens5', 'tap0'],
  ],
  ['binding, no link at all: the error names eth0', resolve('net1', 'default', ['lo']), ['eth0', 'tap0']],
  [
    'binding for secondary networks only: the hashed link',
    resolve('net3', 'blue', ['lo', 'eth0', BLUE], undefined, SECONDARY),
    [BLUE, 'tap16477688c0e'],
  ],
  [
    'network, for secondary networks only: the link that CNI_IFNAME names',
    resolve(BLUE, null, ['eth0', BLUE], undefined, SECONDARY),
    [BLUE, 'tap16477688c0e'],
  ],
  ['network: the link that CNI_IFNAME names', resolve(BLUE, null, ['eth0', BLUE]), [BLUE, 'tap16477688c0e']],
  ['network with an ordinal name', resolve('net1', null, ['eth0', 'net1']), ['net1', 'tap1']],
  ['network, eth0', resolve('eth0', null, ['eth0']), ['eth0', 'tap0']],
  ['network, podLink names the same link', resolve('net1', null, ['eth0', 'net1'], 'net1'), ['net1', 'tap1']],
] as const) {
  test(why, () => {
    assert.equal(got, want);
  });
}

for (const [why, act, code, message] of [
  [
    'ordinal names do not show which network is meant',
    () => resolve('net2', 'blue', ['lo', 'eth0', 'net1'], 'eth0'),
    'NAMING_UNKNOWN',
    `Cannot find the pod link of network "blue": there is no "${BLUE}", and with "net1" in the pod KubeVirt numbers its links; give every network of the pod an "interface" in its annotation`,
  ],
  ...[['lo', 'eth0'], ['eth0', 'ovn-udn1', 'podb1f51a511f1'], ['lo']].map(
    (ifnames) =>
      [
        `no link of a secondary network among ${ifnames.join(', ')}`,
        () => resolve('net2', 'blue', ifnames, undefined, SECONDARY),
        'LINK_MISSING',
        `Cannot wire network "blue": there is no pod link "${BLUE}", and with "network": "secondary" the primary network's link is not wired instead; name a network that makes a link in the pod, or use a binding without that key for the primary network`,
      ] as const,
  ),
  ...['eth0', 'ovn-udn1'].map(
    (ifname) =>
      [
        `a network for secondary links only on ${ifname}`,
        () => resolve(ifname, null, [ifname], undefined, SECONDARY),
        'INVALID_CONFIG',
        `Cannot wire "${ifname}": it is the primary network's link, and $.network says "secondary"; leave that key out`,
      ] as const,
  ),
  [
    "the tap's own name as the pod link",
    () => resolve('net1', 'default', ['eth0', 'tap0'], 'tap0'),
    'INVALID_CONFIG',
    'Cannot read $.podLink: want the pod\'s link, got "tap0", which is the name of the tap',
  ],
  [
    'a name of more bytes than characters',
    () => resolve('😀😀😀', null, ['eth0']),
    'INVALID_CONFIG',
    'Cannot read CNI_IFNAME: want the name of a pod link (1..15 printable ASCII characters, no "/" or ":", not ., .., lo, all, default), got "😀😀😀"',
  ],
  [
    'podLink outside a binding',
    () => resolve('net1', null, ['eth0', 'net1'], 'eth0'),
    'INVALID_CONFIG',
    'Cannot read $.podLink: want "net1" (CNI_IFNAME) or nothing outside a KubeVirt binding, got "eth0"',
  ],
  [
    'a name too short to derive the tap from',
    () => resolve('lan', null, ['eth0', 'lan']),
    'INVALID_CONFIG',
    'Cannot wire "lan" as a network: KubeVirt derives the tap\'s name from the characters after the third',
  ],
] as const) {
  test(`rejects ${why}`, async () => {
    const error = await caught(act);
    assert.equal([error.code, error.message], [code, message]);
  });
}

test.run();
