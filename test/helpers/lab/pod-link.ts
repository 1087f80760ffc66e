import { recordNetns } from '../pod/ledger.ts';
import type { Lab } from './lab.ts';
import { BRIDGE, GATEWAY4, GATEWAY6 } from './node-network.ts';
import { ip, run, setSysctl, waitFor } from './run.ts';

export type PodLinkKind = 'veth' | 'macvlan';

/** A pod link as an ordinary CNI plugin leaves it in the pod. */
export interface PodLinkOptions {
  /** `eth0`, or `pod<hash>` of a secondary network. */
  readonly ifname: string;
  readonly kind: PodLinkKind;
  /** MTU in bytes. */
  readonly mtu: number;
}

export interface PodLink extends Omit<PodLinkOptions, 'kind'> {
  /** With a macvtap, QEMU opens its device node; with the others, the tap that Tapwire adds. */
  readonly kind: PodLinkKind | 'macvtap';
  readonly mac: string;
  /** The bridge port in the host netns at which the link's frames arrive. */
  readonly port: string;
}

/** The node's device that is the parent of a macvlan. */
const LOWER = 'lower0';

/** Creates the pod's netns. Pod links that are created later inherit these settings. */
export async function makePod(lab: Lab): Promise<void> {
  recordNetns(lab.pod);
  await run(lab, ['ip', 'netns', 'add', lab.pod]);
  // No tentative addresses and only the lab's own routes, because a dump of the netns must not
  // change by itself.
  await setSysctl(lab, lab.pod, 'ipv6/conf/default/dad_transmits', '0');
  await setSysctl(lab, lab.pod, 'ipv6/conf/default/accept_ra', '0');
  await ip(lab, lab.pod, 'link set lo up');
}

/**
 * Creates a pod link, connects it to the node's bridge, and gives it addresses and routes as an
 * IPAM would.
 */
export async function addPodLink(lab: Lab, options: PodLinkOptions): Promise<PodLink> {
  const { ifname, kind, mtu } = options;
  const port = `to-${ifname}`.slice(0, 15); // IFNAMSIZ - 1
  if (kind === 'macvlan') await addLower(lab, port, mtu);
  const added = kind === 'veth' ? vethLines(lab, port, options) : macvlanLines(lab, options);
  await ip(lab, lab.node, `${added}\nlink set ${port} master ${BRIDGE} up`);
  const primary = ifname === 'eth0';
  const [ipv4, ipv6] = ownAddresses(options);
  await ip(
    lab,
    lab.pod,
    `link set ${ifname} up
     address add ${ipv4}/24 dev ${ifname}
     address add ${ipv6}/64 dev ${ifname} nodad
     ${primary ? `route add default via ${GATEWAY4} dev ${ifname}` : ''}
     ${primary ? `route add default via ${GATEWAY6} dev ${ifname}` : ''}`,
  );
  await waitFor(lab, `link-local address on ${ifname}`, async () => {
    const show = `ip -n ${lab.pod} -6 address show ${ifname} scope link -tentative`;
    const settled = await run(lab, show.split(' '));
    return settled === '' ? undefined : true;
  });
  const shown: [{ address: string }] = JSON.parse(
    await run(lab, ['ip', '-n', lab.pod, '-j', 'link', 'show', ifname]),
  );
  return { ifname, kind, mtu, port, mac: shown[0].address };
}

/** The addresses that the IPAM gives to a pod link. */
export function ownAddresses({
  ifname,
}: Pick<PodLinkOptions, 'ifname'>): readonly [ipv4: string, ipv6: string] {
  const host = ifname === 'eth0' ? 10 : 20;
  return [`192.0.2.${host}`, `2001:db8:1::${host}`];
}

function vethLines(lab: Lab, port: string, { ifname, mtu }: PodLinkOptions): string {
  return `link add ${port} mtu ${mtu} type veth peer name ${ifname} mtu ${mtu} netns ${lab.pod}`;
}

function macvlanLines(lab: Lab, { ifname }: PodLinkOptions): string {
  return `link add link ${LOWER} name ${ifname} netns ${lab.pod} type macvlan mode bridge`;
}

/**
 * Creates the parent of a macvlan, which must send nothing of its own: a veth whose other end is
 * the bridge port.
 */
async function addLower(lab: Lab, port: string, mtu: number): Promise<void> {
  await ip(lab, lab.node, `link add ${port} mtu ${mtu} type veth peer name ${LOWER} mtu ${mtu}`);
  await setSysctl(lab, lab.node, `ipv6/conf/${LOWER}/disable_ipv6`, '1');
  await ip(lab, lab.node, `link set ${LOWER} up`);
}
