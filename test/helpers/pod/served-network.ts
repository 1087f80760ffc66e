/**
 * Pod networks as two common CNI plugins leave them, with a host behind the gateway. The guest of
 * such a pod must get what the pod has.
 */
import { execa } from 'execa';
import { withDnsmasq } from './dnsmasq.ts';
import { type TestNetns, withNetns } from './netns.ts';

export type Family = 4 | 6;
export const BOTH: readonly Family[] = [4, 6];

/** What a pod has on its network. */
export interface PodNetwork {
  readonly plugin: 'Calico' | 'host-local';
  /** In bytes. */
  readonly mtu: number;
  readonly ipv4: { readonly address: string; readonly prefixLength: number; readonly gateway: string };
  readonly ipv6: {
    readonly address: string;
    /** Link-local address of the gateway. */
    readonly router: string;
    /** Prefix that the guest reaches without the gateway. */
    readonly onLink: string | null;
  };
}

/** A route to one gateway for all pods of the node, which answers for every address. */
export const CALICO: PodNetwork = {
  plugin: 'Calico',
  mtu: 1400,
  ipv4: { address: '10.50.0.7', prefixLength: 32, gateway: '169.254.1.1' },
  ipv6: { address: 'fd00:50::7', router: 'fe80::ecee:eeff:feee:eeee', onLink: null },
};

/** A bridge, whose gateway is known by its global addresses. */
export const HOST_LOCAL: PodNetwork = {
  plugin: 'host-local',
  mtu: 1450,
  ipv4: { address: '10.60.0.7', prefixLength: 24, gateway: '10.60.0.1' },
  ipv6: { address: 'fd00:60::7', router: 'fe80::60:1', onLink: 'fd00:60::/64' },
};

/** The host behind the gateway. */
export const FAR: Readonly<Record<Family, string>> = { 4: '198.51.100.5', 6: '2001:db8:5::5' };
/** A destination to which the pod has a route besides the default one, through the same gateway. */
export const FURTHER = '10.99.0.0/16';
/** Another host on the bridge, which has a DHCP server and a router of its own. */
export const FOREIGN: Readonly<Record<Family, string>> = { 4: '10.60.0.2', 6: 'fd00:60::2' };

export const POD_MAC = '02:00:00:00:00:10';
/** Where the frames of the pod arrive in `router`. */
export const OUTER = 'host0';

export interface NetworkedPod {
  readonly network: PodNetwork;
  readonly families: readonly Family[];
  /** The pod, with `eth0`. */
  readonly pod: TestNetns;
  /** The node, which forwards. */
  readonly router: TestNetns;
  readonly far: TestNetns;
  /** What the foreign DHCP server has logged so far; empty on Calico's network. */
  readonly foreignLog: () => string;
}

/** Runs lines of ip(8), each in the netns of its first word. */
async function configure(netns: Readonly<Record<string, TestNetns>>, lines: string): Promise<void> {
  for (const line of lines.split('\n').map((one) => one.trim())) {
    const [, name = '', command = ''] = /^(\w+): (.*)/.exec(line) ?? [];
    if (command !== '') await netns[name]?.ip(command);
  }
}

async function setSysctls({ name }: TestNetns, settings: readonly string[]): Promise<void> {
  const script = settings.map((setting) => {
    const [key, value] = setting.split('=');
    return `echo ${value} > /proc/sys/net/${key}`;
  });
  await execa('ip', ['netns', 'exec', name, 'sh', '-ec', script.join('\n')]);
}

const FAR_LINES = `
  router: link add far0 type veth peer name eth0 netns FAR
  router: link set far0 up
  far: link set lo up
  far: link set eth0 up
  router: addr add 198.51.100.1/24 dev far0
  router: addr add 2001:db8:5::1/64 dev far0 nodad
  far: addr add 198.51.100.5/24 dev eth0
  far: addr add 2001:db8:5::5/64 dev eth0 nodad
  far: route add default via 198.51.100.1
  far: -6 route add default via 2001:db8:5::1`;

/** proxy_arp answers only for addresses to which the node has a route through another link. */
const CALICO_LINES = `
  router: route add default via 198.51.100.5
  router: link add ${OUTER} mtu 1400 address ee:ee:ee:ee:ee:ee type veth peer name eth0 mtu 1400 address ${POD_MAC} netns POD
  router: link set ${OUTER} up
  pod: link set eth0 up
  pod4: addr add 10.50.0.7/32 dev eth0
  pod4: route add 169.254.1.1 dev eth0 scope link
  pod4: route add default via 169.254.1.1 dev eth0
  pod4: route add ${FURTHER} via 169.254.1.1 dev eth0
  router4: route add 10.50.0.7 dev ${OUTER} scope link
  pod6: addr add fd00:50::7/128 dev eth0 nodad
  pod6: -6 route add default via fe80::ecee:eeff:feee:eeee dev eth0
  router6: -6 route add fd00:50::7 dev ${OUTER}`;

const HOST_LOCAL_LINES = `
  router: link add br0 mtu 1450 address 02:00:00:00:60:01 type bridge
  router: link set br0 addrgenmode none up
  router: link add ${OUTER} mtu 1450 type veth peer name eth0 mtu 1450 address ${POD_MAC} netns POD
  router: link set ${OUTER} addrgenmode none master br0 up
  router: link add foreign0 mtu 1450 type veth peer name eth0 mtu 1450 netns FOREIGN
  router: link set foreign0 addrgenmode none master br0 up
  router4: addr add 10.60.0.1/24 dev br0
  router: addr add fe80::60:1/64 dev br0 nodad
  router6: addr add fd00:60::1/64 dev br0 nodad
  foreign: link set lo up
  foreign: link set eth0 up
  foreign: addr add 10.60.0.2/24 dev eth0
  foreign: addr add fd00:60::2/64 dev eth0 nodad
  pod: link set eth0 up
  pod4: addr add 10.60.0.7/24 dev eth0
  pod4: route add default via 10.60.0.1
  pod4: route add ${FURTHER} via 10.60.0.1
  pod6: addr add fd00:60::7/64 dev eth0 nodad
  pod6: -6 route add default via fd00:60::1`;

const FOREIGN_SERVES = [
  '--log-dhcp',
  '--dhcp-range=10.60.0.100,10.60.0.199,255.255.255.0,1h',
  '--dhcp-option=option:router,10.60.0.2',
  '--enable-ra',
  '--ra-param=eth0,4,1800', // every four seconds
  '--dhcp-range=fd00:60::100,fd00:60::1ff,64,1h',
];

/** The pod on this network, before ADD; with IPv6 only if `families` says so. */
export function withNetwork<T>(
  network: PodNetwork,
  families: readonly Family[],
  act: (pod: NetworkedPod) => Promise<T>,
): Promise<T> {
  return withNetns((router) =>
    withNetns((far) =>
      withNetns((foreign) =>
        withNetns(async (pod) => {
          const absent = { ip: async () => '' } as const;
          const of = (netns: TestNetns, family: Family) => (families.includes(family) ? netns : absent);
          const names = { router, far, foreign, pod, pod4: of(pod, 4), pod6: of(pod, 6) };
          const all = { ...names, router4: of(router, 4), router6: of(router, 6) } as Record<
            string,
            TestNetns
          >;
          for (const one of [router, far, foreign, pod])
            await setSysctls(one, ['ipv6/conf/default/dad_transmits=0', 'ipv6/conf/default/accept_ra=0']);
          await setSysctls(router, ['ipv4/ip_forward=1', 'ipv6/conf/all/forwarding=1']);
          await pod.ip('link set lo up');
          const isCalico = network.plugin === 'Calico';
          const lines = (FAR_LINES + (isCalico ? CALICO_LINES : HOST_LOCAL_LINES))
            .replaceAll('FAR', far.name)
            .replaceAll('POD', pod.name)
            .replaceAll('FOREIGN', foreign.name);
          await configure(all, lines);
          const networked = { network, families, pod, router, far };
          if (isCalico) {
            await setSysctls(router, [`ipv4/conf/${OUTER}/proxy_arp=1`, `ipv4/neigh/${OUTER}/proxy_delay=0`]);
            return act({ ...networked, foreignLog: () => '' });
          }
          return withDnsmasq(foreign, 'eth0', FOREIGN_SERVES, (foreignLog) =>
            act({ ...networked, foreignLog }),
          );
        }),
      ),
    ),
  );
}
