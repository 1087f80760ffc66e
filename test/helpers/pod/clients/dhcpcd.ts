import { type Client, resolverOf, restartable } from './client.ts';
import { NIC } from './seen.ts';

export const DHCPCD: Client = {
  name: 'dhcpcd',
  hasDhcpv6: true,
  async start(system) {
    const dhcpcd = restartable(system, 'dhcpcd', '--nobackground', '--debug', NIC);
    return {
      told: async () => ({
        mtu: await routeMtu(system.netns.ip),
        ...resolverOf(system.read('/etc/resolv.conf')),
        hostname: (await system.run('hostname')).trim(),
      }),
      renew: async () => void (await system.run('dhcpcd', '--rebind', NIC)),
      restart: dhcpcd.restart,
      output: dhcpcd.output,
    };
  },
};

/** MTU in bytes of a default route: dhcpcd does not change that of the NIC. */
async function routeMtu(ip: (command: string) => Promise<string>): Promise<number> {
  const routes: { metrics?: { mtu?: number }[] }[] = [
    ...JSON.parse((await ip(`-j -4 route show default dev ${NIC}`)) || '[]'),
    ...JSON.parse((await ip(`-j -6 route show default dev ${NIC}`)) || '[]'),
  ];
  return routes.flatMap(({ metrics }) => metrics ?? []).find(({ mtu }) => mtu !== undefined)?.mtu ?? 0;
}
