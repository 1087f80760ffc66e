import { until } from '../../agent/agent-node.ts';
import { type Client, restartable } from './client.ts';
import { mtuOn, NIC } from './seen.ts';
import type { GuestSystem } from './system.ts';

const LEASES = '/var/lib/dhcp/leases';

const words = (family: 4 | 6): readonly string[] => [
  ...['dhclient', `-${family}`, '-d', '-v'],
  ...['-lf', `${LEASES}${family}`, '-pf', `/run/dhclient${family}.pid`, NIC],
];

/** One process for each family. */
export const DHCLIENT: Client = {
  name: 'dhclient',
  hasDhcpv6: true,
  async start(system) {
    await system.netns.ip(`link set ${NIC} up`);
    // It ends at once while the link-local address is tentative.
    const settled = () => system.netns.ip(`-6 addr show dev ${NIC} scope link -tentative`);
    await until('the guest has a link-local address', async () => (await settled()) !== '');
    const [four, six] = [restartable(system, ...words(4)), restartable(system, ...words(6))];
    return {
      told: () => toldBy(system),
      // It has no command for that, and asks for the address of its lease when it starts.
      renew: () => four.restart(),
      async restart() {
        await Promise.all([four.restart(), six.restart()]);
      },
      output: () => four.output() + six.output(),
    };
  },
};

/**
 * Reads the last lease of each family, because the later one replaces the resolv.conf of the other.
 */
async function toldBy(system: GuestSystem) {
  const last = (family: 4 | 6) =>
    system
      .read(`${LEASES}${family}`)
      .split(/^lease6? \{/m)
      .at(-1) ?? '';
  const leases = [last(4), last(6)];
  const values = (...names: readonly string[]) =>
    leases.flatMap((lease, i) => new RegExp(`option ${names[i]} (.*);`).exec(lease)?.[1]?.split(', ') ?? []);
  const domains = values('domain-search', 'dhcp6.domain-search');
  return {
    mtu: await mtuOn(system.netns),
    nameservers: values('domain-name-servers', 'dhcp6.name-servers'),
    searchDomains: [...new Set(domains.map((domain) => domain.replace(/^"(.*?)\.?"$/, '$1')))],
    hostname: (await system.run('hostname')).trim(),
  };
}
