import { execa } from 'execa';
import type { TestNetns } from './netns.ts';

/**
 * Gives a pod a new `eth0` whose gateway has a global address: the other end of the pod link, which
 * is a router. Only asking finds its link-local address, fe80::60:1.
 */
export async function giveAskedRouter(pod: TestNetns, node: TestNetns): Promise<void> {
  const forward = 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding';
  await execa('ip', ['netns', 'exec', node.name, 'sh', '-c', forward]);
  await pod.ip('link del eth0');
  await node.ip(`link add host0 type veth peer name eth0 netns ${pod.name}`);
  await node.ip('link set host0 addrgenmode none up');
  for (const address of ['fe80::60:1', '2001:db8:3::1'])
    await node.ip(`addr add ${address}/64 dev host0 nodad`);
  await pod.ip('link set eth0 up');
  await pod.ip('addr add 2001:db8:3::5/64 dev eth0 nodad');
  await pod.ip('route add default via 2001:db8:3::1');
}
