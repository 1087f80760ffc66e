/** The chain of the node's default network, and the pods that it produces. */
import * as assert from 'uvu/assert';
import type { Node } from './node.ts';
import type { Pod } from './pods.ts';

export const POD_MTU = 1450;
export const BRIDGE = {
  type: 'bridge',
  bridge: 'cni0',
  mtu: POD_MTU,
  isGateway: true,
  ipam: {
    type: 'host-local',
    ranges: [[{ subnet: '10.88.0.0/16' }], [{ subnet: 'fd00:88::/64' }]],
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  },
};
export const TAPWIRE = { type: 'tapwire' };
export const TUNING = { type: 'tuning', sysctl: { 'net.ipv4.conf.eth0.arp_filter': '1' } };

/**
 * The lines that a successful plugin has logged. containerd passes them on among its own; of a
 * plugin that fails it passes on only the error.
 */
export const ourLog = (node: Node): string[] =>
  node
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{'));

/** The wiring as other tools than Tapwire report it. */
export async function assertWired({ netns }: Pod): Promise<void> {
  // biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8)
  const links: any[] = JSON.parse(await netns.ip('-d -j link show'));
  assert.equal(
    links.map(({ ifname }) => ifname),
    ['lo', 'eth0', 'tap0'],
  );
  const [, eth0, tap0] = links;
  const { type, persist, user, group } = tap0.linkinfo.info_data;
  assert.equal([type, persist], ['tap', true]);
  assert.ok(user !== undefined && group !== undefined, 'the tap has an owner and a group');
  assert.equal([eth0.mtu, tap0.mtu], [POD_MTU, POD_MTU]);
  assert.ok(tap0.flags.includes('UP'));
  for (const [from, to] of [
    ['eth0', 'tap0'],
    ['tap0', 'eth0'],
  ]) {
    assert.match(
      await netns.tc(`filter show dev ${from} ingress`),
      new RegExp(`mirred \\(Egress Redirect to device ${to}\\)`),
    );
  }
}
