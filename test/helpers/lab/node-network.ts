import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { recordNetns } from '../pod/ledger.ts';
import type { Lab } from './lab.ts';
import { ip, lastWords, run, setSysctl, start, waitFor } from './run.ts';

/** Addresses for documentation (RFC 5737, RFC 3849). No packet leaves the lab's namespaces. */
export const GATEWAY4 = '192.0.2.1';
export const GATEWAY6 = '2001:db8:1::1';
export const BRIDGE = 'br0';

/**
 * Creates the network outside of the pod: a bridge with both gateways, and dnsmasq, which serves
 * DHCPv4, router advertisements and DHCPv6 there.
 */
export async function makeNodeNetwork(lab: Lab, mtu: number): Promise<void> {
  recordNetns(lab.node);
  await run(lab, ['ip', 'netns', 'add', lab.node]);
  await ip(
    lab,
    lab.node,
    `link set lo up
     link add ${BRIDGE} mtu ${mtu} type bridge
     address add ${GATEWAY4}/24 dev ${BRIDGE}
     address add ${GATEWAY6}/64 dev ${BRIDGE} nodad
     link set ${BRIDGE} up`,
  );
  // A gateway that does not forward says so in its neighbour advertisements, and the guest then
  // drops its default route.
  await setSysctl(lab, lab.node, 'ipv6/conf/all/forwarding', '1');
  await serveAddresses(lab, mtu);
}

async function serveAddresses(lab: Lab, mtu: number): Promise<void> {
  const pidFile = join(lab.dir, 'dnsmasq.pid');
  const dnsmasq = start(lab, lab.node, 'dnsmasq', [
    'dnsmasq',
    '--conf-file=/dev/null',
    '--keep-in-foreground',
    '--log-facility=-',
    '--log-dhcp',
    `--pid-file=${pidFile}`,
    `--dhcp-leasefile=${join(lab.dir, 'leases')}`,
    '--user=root',
    '--port=0', // no DNS
    `--interface=${BRIDGE}`,
    '--bind-dynamic',
    '--no-ping', // assign the address without waiting a second for a reply to a ping
    '--dhcp-authoritative',
    '--dhcp-range=192.0.2.100,192.0.2.199,255.255.255.0,1h',
    `--dhcp-option=option:router,${GATEWAY4}`,
    `--dhcp-option=option:mtu,${mtu}`,
    '--enable-ra',
    `--ra-param=${BRIDGE},mtu:${mtu},10,1200`,
    '--dhcp-range=2001:db8:1::100,2001:db8:1::1ff,64,1h',
    `--dhcp-option=option6:dns-server,[${GATEWAY6}]`,
  ]);
  await waitFor(lab, 'dnsmasq', () => {
    if (!dnsmasq.isRunning()) throw new Error(`Cannot run dnsmasq: ${lastWords(dnsmasq)}`);
    return existsSync(pidFile) ? true : undefined;
  });
}
