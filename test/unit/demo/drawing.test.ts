import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { drawWiring } from '../../../demo/drawing.ts';
import type { WiredLink, Wiring } from '../../../demo/wiring.ts';

const link = (ifname: string, kind: string, mac: string): WiredLink => ({
  ifname,
  kind,
  mac,
  mtu: 1500,
  addresses: [],
  owner: null,
});

const wiring: Wiring = {
  node: 'n',
  pod: 'p',
  bridge: { ...link('br0', 'bridge', '02:00:00:00:00:01'), addresses: ['192.0.2.1/24'] },
  port: link('to-eth0', 'veth', '02:00:00:00:00:02'),
  podLink: { ...link('eth0', 'veth', '02:00:00:00:00:03'), addresses: ['192.0.2.10/24'] },
  tap: { ...link('tap0', 'tun', '02:00:00:00:00:04'), owner: '107:107' },
  fromPodLink: { classifier: 'matchall', to: 'tap0' },
  fromTap: { classifier: 'matchall', to: 'eth0' },
};

const test = suite('drawWiring()');

test('redirects in both directions are drawn as boxes, lines and arrows that meet', () => {
  assert.is(
    `\n${drawWiring(wiring)}`,
    `
┌────────────────────────────────────────────────────────── node: netns n ─┐
│ br0  192.0.2.1/24                                                        │
│ │   DHCPv4, router advertisements, DHCPv6                                │
│ └─ to-eth0  02:00:00:00:00:02  MTU 1500                                  │
└───────┬──────────────────────────────────────────────────────────────────┘
        │ veth
┌───────┴─────────────────────────────────────────────────── pod: netns p ─┐
│ ┌─────┴───────────────────┐                  ┌─────────────────────────┐ │
│ │ eth0 (veth)             │ matchall, mirred │ tap0 (tun)              │ │
│ │ 02:00:00:00:00:03       │ ───────────────▶ │ 02:00:00:00:00:04       │ │
│ │ MTU 1500                │                  │ MTU 1500                │ │
│ │ 192.0.2.10/24           │ matchall, mirred │ uid:gid 107:107         │ │
│ └─────────────────────────┘ ◀─────────────── └───────────────────┬─────┘ │
└──────────────────────────────────────────────────────────────────┼───────┘
                                                                   │ file descriptor
                                                             QEMU, the VM`,
  );
});

for (const [why, fromTap] of [
  ['no filter', null],
  ['a filter to another link', { classifier: 'u32', to: 'eth1' }],
] as const) {
  test(`${why} is drawn without an arrow`, () => {
    const drawing = drawWiring({ ...wiring, fromTap });
    assert.match(drawing, 'no redirect');
    assert.not.match(drawing, '◀');
  });
}

test.run();
