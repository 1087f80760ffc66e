import { type Client, resolverOf, restartable, startBus } from './client.ts';
import { mtuOn, NIC } from './seen.ts';

const CONFIG = `[main]
plugins=keyfile
rc-manager=file
[device]
match-device=interface-name:${NIC}
managed=1
`;
const CONNECTION = `[connection]
id=${NIC}
type=ethernet
interface-name=${NIC}
[ipv4]
method=auto
[ipv6]
method=auto
`;
const CONNECTION_FILE = `/etc/NetworkManager/system-connections/${NIC}.nmconnection`;

export const NETWORK_MANAGER: Client = {
  name: 'NetworkManager',
  hasDhcpv6: true,
  async start(system) {
    system.write('/etc/NetworkManager/NetworkManager.conf', CONFIG);
    system.write(CONNECTION_FILE, CONNECTION);
    await system.run('chmod', '600', CONNECTION_FILE);
    await startBus(system);
    const manager = restartable(system, 'NetworkManager', '--debug', '--log-level=DEBUG');
    return {
      told: async () => ({
        mtu: await mtuOn(system.netns),
        ...resolverOf(system.read('/etc/resolv.conf')),
        hostname: (await system.run('hostname')).trim(),
      }),
      // It has no command for the lease alone.
      renew: async () => void (await system.run('nmcli', 'connection', 'up', NIC)),
      restart: manager.restart,
      output: manager.output,
    };
  },
};
