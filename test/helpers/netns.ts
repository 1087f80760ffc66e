import { randomBytes } from 'node:crypto';
import { execa } from 'execa';
import * as assert from 'uvu/assert';

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

/** A netns of our own with a random name, gone afterwards. */
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
    await withoutProbing(netns);
    await ip(`link add ${podLink} mtu 1450 type veth peer name host0 mtu 1450`);
    await ip('link set lo up');
    await ip('link set host0 up');
    await ip(`link set ${podLink} up`);
    await ip(`addr add 192.0.2.10/24 dev ${podLink}`);
    await ip(`addr add 2001:db8::10/64 dev ${podLink} nodad`);
    await ip('route add default via 192.0.2.1');
    await ip('route add 2001:db8:1::/48 via 2001:db8::1');
    return act(netns);
  });
}

/** Waits until no IPv6 address is tentative: the kernel makes them usable a moment after their link is up. */
async function settle(ip: Ip): Promise<void> {
  const deadline = performance.now() + 5000; // ms
  while ((await ip('-6 addr show tentative')) !== '') {
    assert.ok(performance.now() < deadline, 'IPv6 addresses are usable');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** No probing for duplicate IPv6 addresses, which takes a second or two. */
async function withoutProbing({ name }: TestNetns): Promise<void> {
  const echo = 'echo 0 > /proc/sys/net/ipv6/conf/default/dad_transmits';
  await execa('ip', ['netns', 'exec', name, 'sh', '-c', echo]);
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
  await settle(ip);
  const json = async (command: string): Promise<Record<string, unknown>[]> =>
    JSON.parse((await ip(command)) || '[]');
  const links = await json('-d -j link show');
  const qdiscs = await tc('qdisc show');
  const filters: Record<string, string> = {};
  for (const [, ifname] of qdiscs.matchAll(/^qdisc (?:clsact|ingress) ffff: dev (\S+)/gm)) {
    for (const direction of ['ingress', 'egress']) {
      filters[`${ifname} ${direction}`] = await tc(`filter show dev ${ifname} ${direction}`);
    }
  }
  return {
    links: links.map(withoutTapCarrier),
    addresses: (await json('-j addr show')).map(({ ifname, addr_info }) =>
      withoutLifetimes({ ifname, addr_info }),
    ),
    routes4: await json('-d -j -4 route show table all'),
    routes6: (await json('-d -j -6 route show table all')).map(withoutLifetimes),
    neighbours: await json('-j neigh show nud permanent'),
    qdiscs,
    filters,
  };
}

/** The kernel notices a moment after ADD that nobody has opened a tap yet. */
function withoutTapCarrier(link: Record<string, unknown>): Record<string, unknown> {
  const { operstate, flags, ...rest } = link;
  const isTun = (link['linkinfo'] as { info_kind?: string } | undefined)?.info_kind === 'tun';
  if (!isTun) return link;
  return { ...rest, flags: (flags as string[]).filter((flag) => !['NO-CARRIER', 'LOWER_UP'].includes(flag)) };
}

/** Lifetimes count down while a test runs. */
function withoutLifetimes(entry: Record<string, unknown>): unknown {
  return JSON.parse(
    JSON.stringify(entry, (key, value) =>
      ['valid_life_time', 'preferred_life_time', 'expires', 'age'].includes(key) ? undefined : value,
    ),
  );
}

/** Fails with only what differs: whole dumps are hundreds of lines. */
export function sameNetns(
  actual: Readonly<Record<string, unknown>>,
  expected: Readonly<Record<string, unknown>>,
  why = 'the netns is as it was',
): void {
  const [got, want] = [flatten(actual), flatten(expected)];
  const paths = [...new Set([...want.keys(), ...got.keys()])].filter(
    (path) => want.get(path) !== got.get(path),
  );
  const lines = paths.map((path) => `  ${path}: ${want.get(path)} => ${got.get(path)}`);
  assert.is(lines.join('\n'), '', `${why}; but\n${lines.slice(0, 20).join('\n')}`);
}

/** Leaf values by path; links and addresses are keyed by their names, so that one more does not shift the others. */
function flatten(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (typeof value !== 'object' || value === null) return into.set(path, JSON.stringify(value));
  for (const [key, entry] of Object.entries(value)) {
    const name = (entry as { ifname?: string } | null)?.ifname ?? key;
    flatten(entry, `${path}.${name}`, into);
  }
  return into;
}
