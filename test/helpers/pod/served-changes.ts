/** What may happen to a pod and its sidecar while a guest runs. */
import { execa } from 'execa';
import { FURTHER, type NetworkedPod, OUTER, type PodNetwork } from './served-network.ts';

/** Other addresses of the same networks. */
const OTHERS = { Calico: ['10.50.0.8', 'fd00:50::8'], 'host-local': ['10.60.0.8', 'fd00:60::8'] } as const;

/** Gives the pod link other addresses, as if the guest had come to another pod. */
export async function moveToOthers({ network, pod, router, ...rest }: NetworkedPod): Promise<NetworkedPod> {
  const { ipv4, ipv6, plugin } = network;
  const [address4, address6] = OTHERS[plugin];
  const [length4, length6] = [ipv4.prefixLength, plugin === 'Calico' ? 128 : 64];
  // A second address of a subnet would go with the first.
  await pod.ip(`addr del ${ipv4.address}/${length4} dev eth0`);
  await pod.ip(`addr add ${address4}/${length4} dev eth0`);
  await pod.ip(`addr add ${address6}/${length6} dev eth0 nodad`);
  await pod.ip(`addr del ${ipv6.address}/${length6} dev eth0`);
  if (plugin === 'Calico') {
    await pod.ip(`route replace ${ipv4.gateway} dev eth0 scope link`);
    await router.ip(`route add ${address4} dev ${OUTER} scope link`);
    await router.ip(`-6 route add ${address6} dev ${OUTER}`);
  }
  for (const destination of ['default', FURTHER])
    await pod.ip(`route replace ${destination} via ${ipv4.gateway} dev eth0`);
  const changed: PodNetwork = {
    ...network,
    ipv4: { ...ipv4, address: address4 },
    ipv6: { ...ipv6, address: address6 },
  };
  return { ...rest, pod, router, network: changed };
}

/** Other gateways of the same node. */
const GATEWAYS = {
  Calico: ['169.254.1.2', 'fe80::50:2'],
  'host-local': ['10.60.0.9', 'fe80::60:9'],
} as const;

/** Gives the pod a default route via another gateway. */
export async function changeGateway({ network, pod, router, ...rest }: NetworkedPod): Promise<NetworkedPod> {
  const { plugin } = network;
  const [gateway4, gateway6] = GATEWAYS[plugin];
  const isCalico = plugin === 'Calico';
  await router.ip(`addr add ${gateway6}/64 dev ${isCalico ? OUTER : 'br0'} nodad`);
  if (isCalico) await pod.ip(`route add ${gateway4} dev eth0 scope link`);
  else await router.ip(`addr add ${gateway4}/24 dev br0`);
  for (const destination of ['default', FURTHER])
    await pod.ip(`route replace ${destination} via ${gateway4} dev eth0`);
  if (isCalico) await pod.ip(`route del ${network.ipv4.gateway} dev eth0`);
  await pod.ip(`-6 route del default`);
  await pod.ip(`-6 route add default via ${gateway6} dev eth0`);
  const changed: PodNetwork = {
    ...network,
    ipv4: { ...network.ipv4, gateway: gateway4 },
    ipv6: { ...network.ipv6, router: gateway6 },
  };
  return { ...rest, pod, router, network: changed };
}

const READ = "require('node:net').connect('\\0tapwire-guest-services').pipe(process.stdout)";

/** How often the sidecar has sent each message: `DHCPv4 ACK`. */
export async function sentBySidecar({ pod }: NetworkedPod): Promise<Readonly<Record<string, number>>> {
  const { stdout } = await execa('nsenter', [`--net=${pod.path}`, process.execPath, '-e', READ]);
  const counts: { tap0?: Record<string, number> } = JSON.parse(stdout);
  return counts.tap0 ?? {};
}
