import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findTap, requirePodLink, requireWiring } from '../../../../sidecar/pod/wiring.ts';
import type { VmiNetwork } from '../../../../sidecar/vmi/network.ts';
import { caught } from '../../../helpers/caught.ts';
import { tapLink, veth } from '../../../helpers/sidecar/vmi.ts';

const find = suite('requireWiring()');

const POD = [veth('lo'), veth('eth0'), tapLink('tap0')];
const HASHED = [veth('podb1f51a511f1'), tapLink('tapb1f51a511f1')];
const ORDINAL = [veth('net1'), tapLink('tap1'), veth('net2'), tapLink('tap2')];
const primary = (podIfname: string | null = null): VmiNetwork => ({
  primary: true,
  podIfname,
  cidr: null,
});
const secondary = (ordinal: number | null = 1): VmiNetwork => ({ primary: false, ordinal });

for (const [why, network, links, want] of [
  ['secondary: hashed names', secondary(), [...POD, ...HASHED], ['podb1f51a511f1', 'tapb1f51a511f1']],
  [
    'secondary: hashed names before ordinal ones',
    secondary(),
    [...ORDINAL, ...HASHED],
    ['podb1f51a511f1', 'tapb1f51a511f1'],
  ],
  ['secondary: ordinal names', secondary(2), [...POD, ...ORDINAL], ['net2', 'tap2']],
  ['primary: eth0', primary(), POD, ['eth0', 'tap0']],
  ['primary: ovn-udn1 if it exists', primary(), [...POD, veth('ovn-udn1')], ['ovn-udn1', 'tap0']],
  [
    'primary: the name in the status',
    primary('net7'),
    [...POD, veth('ovn-udn1'), veth('net7')],
    ['net7', 'tap0'],
  ],
] as const) {
  find(why, () => {
    const { podLink, tap } = requireWiring({ name: 'red', network }, links);
    assert.equal([podLink.ifname, tap.ifname], want);
  });
}

const STATUS = "check the pod's network-status annotation";
const NAD = "set the binding's networkAttachmentDefinition to a NAD of type tapwire";

for (const [why, network, links, code, reason] of [
  [
    'no pod link',
    secondary(2),
    POD,
    'LINK_MISSING',
    `the pod has no link "podb1f51a511f1" or "net2"; ${STATUS}`,
  ],
  [
    'no pod link, not of Multus',
    secondary(null),
    [...POD, ...ORDINAL],
    'LINK_MISSING',
    `the pod has no link "podb1f51a511f1"; ${STATUS}`,
  ],
  [
    'no pod link of the name in the status',
    primary('net7'),
    POD,
    'LINK_MISSING',
    `the pod has no link "net7"; ${STATUS}`,
  ],
  [
    'no tap',
    secondary(),
    [...POD, veth('podb1f51a511f1'), tapLink('tap1')],
    'LINK_MISSING',
    `the pod has link "podb1f51a511f1" but no tap "tapb1f51a511f1"; ${NAD}`,
  ],
  [
    'no primary tap',
    primary(),
    [veth('eth0'), ...HASHED],
    'LINK_MISSING',
    `the pod has link "eth0" but no tap "tap0"; ${NAD}`,
  ],
  [
    'a veth of this name',
    primary(),
    [veth('eth0'), veth('tap0')],
    'LINK_UNSUPPORTED',
    '"tap0" is not a tap but of kind veth; use only one binding for the interface',
  ],
  [
    'a tun of this name',
    primary(),
    [
      veth('eth0'),
      {
        ...tapLink('tap0'),
        tun: { mode: 'tun', owner: null, group: null, multiQueue: false, persist: true },
      },
    ],
    'LINK_UNSUPPORTED',
    '"tap0" is not a tap but a layer 3 tun; use only one binding for the interface',
  ],
  [
    'a device of this name',
    primary(),
    [veth('eth0'), veth('tap0', { kind: null })],
    'LINK_UNSUPPORTED',
    '"tap0" is not a tap but a physical device; use only one binding for the interface',
  ],
] as const) {
  find(`refuses ${why}`, async () => {
    const error = await caught(() => requireWiring({ name: 'red', network }, links));
    assert.is(error.code, code);
    assert.is(error.message, `Cannot bind interface "red": ${reason}`);
    assert.is(error.details, `links seen: ${links.map(({ ifname }) => ifname).join(', ')}`);
  });
}

find('finds a pod link without a tap', () => {
  assert.is(requirePodLink({ name: 'red', network: primary() }, [veth('eth0')]).ifname, 'eth0');
});

find('looks up a tap, and throws nothing if there is none', () => {
  const [red, lone] = [
    { name: 'red', network: secondary() },
    { name: 'red', network: primary('net7') },
  ];
  assert.is(findTap(red, [...POD, ...HASHED])?.ifname, 'tapb1f51a511f1');
  assert.is(findTap(red, [veth('podb1f51a511f1')]), undefined);
  assert.is(findTap(lone, POD), undefined);
});

find('lists at most twenty links', async () => {
  const links = Array.from({ length: 25 }, (_, index) => veth(`v${index}`));
  const { details } = await caught(() => requireWiring({ name: 'red', network: primary() }, links));
  assert.match(details ?? '', /v19, and 5 more$/);
});

find.run();
