import { type Client, type RunningClient, restartable, startBus, unique } from './client.ts';
import { mtuOn, NIC } from './seen.ts';
import type { GuestSystem } from './system.ts';

/** @param dhcp4 further settings of DHCPv4 */
const configOf = (dhcp4: string): string => `[Match]
Name=${NIC}
[Network]
DHCP=yes
[DHCPv4]
UseDomains=yes
${dhcp4}
[DHCPv6]
UseDomains=yes
[IPv6AcceptRA]
UseDomains=yes
`;

const networkdWith = (name: string, dhcp4: string): Client => ({
  name,
  hasDhcpv6: true,
  async start(system): Promise<RunningClient> {
    system.write(`/etc/systemd/network/10-${NIC}.network`, configOf(dhcp4));
    await startBus(system);
    const networkd = restartable(system, 'env', 'SYSTEMD_LOG_LEVEL=debug', '/lib/systemd/systemd-networkd');
    return {
      told: () => toldBy(system),
      renew: async () => void (await system.run('networkctl', 'renew', NIC)),
      restart: networkd.restart,
      output: networkd.output,
    };
  },
});

/** systemd-networkd as most distributions configure it. */
export const NETWORKD = networkdWith('systemd-networkd', '');
/** One that takes the MTU of the lease. It takes no notice of a short loss of carrier. */
export const NETWORKD_MTU = networkdWith('systemd-networkd with UseMTU', 'UseMTU=yes');

/** Reads its notes for other programs of systemd. Without hostnamed, it cannot set the hostname. */
async function toldBy(system: GuestSystem) {
  const ifindex = (await system.run('cat', `/sys/class/net/${NIC}/ifindex`)).trim();
  const [link, lease] = ['links', 'leases'].map((kind) =>
    system.read(`/run/systemd/netif/${kind}/${ifindex}`),
  );
  const valueIn = (text = '', key: string) => new RegExp(`^${key}=(.+)$`, 'm').exec(text)?.[1] ?? '';
  const words = (key: string) => unique(valueIn(link, key).split(' ').filter(Boolean));
  return {
    mtu: Number(valueIn(lease, 'MTU')) || (await mtuOn(system.netns)),
    nameservers: words('DNS'),
    searchDomains: words('DOMAINS'),
    hostname: valueIn(lease, 'HOSTNAME'),
  };
}
