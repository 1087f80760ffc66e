import { randomBytes } from 'node:crypto';
import { execa } from 'execa';

/** Runs `ip` with words split at spaces: `ip('link add eth0 type veth peer name host0')`. */
export type Ip = (command: string) => Promise<string>;

export interface TestNetns {
  readonly name: string;
  /** What a runtime would pass as CNI_NETNS. */
  readonly path: string;
  /** `ip -n <name> …` */
  readonly ip: Ip;
  /** `tc -n <name> …` */
  readonly tc: Ip;
}

/**
 * A netns of our own with a random name, gone afterwards. Its links that reach into another netns go first: a netns is deleted
 * in the background, and its veths with it.
 */
export async function withNetns<T>(act: (netns: TestNetns) => Promise<T>): Promise<T> {
  const name = `tapwire-${randomBytes(4).toString('hex')}`;
  await execa('ip', ['netns', 'add', name]);
  try {
    return await act(testNetns(name));
  } finally {
    await execa('ip', ['netns', 'del', name]);
  }
}

/** A netns with the pod link that a CNI plugin would have left: a veth with addresses and routes, its other end beside it. */
export function withPod<T>(podLink: string, act: (netns: TestNetns) => Promise<T>): Promise<T> {
  return withNetns(async (netns) => {
    const { ip } = netns;
    await ip(`link add ${podLink} mtu 1450 type veth peer name host0 mtu 1450`);
    await ip('link set lo up');
    await ip('link set host0 up');
    await ip(`link set ${podLink} up`);
    await ip(`addr add 192.0.2.10/24 dev ${podLink}`);
    await ip(`addr add 2001:db8::10/64 dev ${podLink} nodad`);
    await ip('route add default via 192.0.2.1');
    await ip('route add 2001:db8:1::/48 via 2001:db8::1');
    await settle(netns, podLink);
    return act(netns);
  });
}

/** Waits until the kernel has given the links their own IPv6 addresses, which it does after they are up. */
async function settle({ ip }: TestNetns, podLink: string): Promise<void> {
  const linkLocal = async (link: string) => await ip(`-6 addr show dev ${link} scope link -tentative`);
  for (const link of ['host0', podLink]) {
    while (!(await linkLocal(link)).includes('fe80')) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function testNetns(name: string): TestNetns {
  const runIn =
    (program: string): Ip =>
    async (command) =>
      (await execa(program, ['-n', name, ...command.split(' ')])).stdout;
  return { name, path: `/run/netns/${name}`, ip: runIn('ip'), tc: runIn('tc') };
}

/** Everything of a netns that ADD and DEL must leave as it was, in a form that can be compared. */
export async function dumpNetns({ ip, tc }: TestNetns): Promise<Readonly<Record<string, unknown>>> {
  const json = async (command: string): Promise<Record<string, unknown>[]> =>
    JSON.parse((await ip(command)) || '[]');
  const links = await json('-d -j link show');
  const filters: Record<string, string> = {};
  for (const { ifname } of links) {
    for (const direction of ['ingress', 'egress']) {
      filters[`${ifname} ${direction}`] = await tc(`filter show dev ${ifname} ${direction}`);
    }
  }
  return {
    links,
    addresses: (await json('-j addr show')).map(withoutLifetimes),
    routes4: await json('-d -j -4 route show table all'),
    routes6: (await json('-d -j -6 route show table all')).map(withoutLifetimes),
    neighbours: await json('-j neigh show nud permanent'),
    qdiscs: await tc('qdisc show'),
    filters,
  };
}

/** Lifetimes count down while a test runs. */
function withoutLifetimes(entry: Record<string, unknown>): unknown {
  return JSON.parse(
    JSON.stringify(entry, (key, value) =>
      ['valid_life_time', 'preferred_life_time', 'expires', 'age'].includes(key) ? undefined : value,
    ),
  );
}
