import { randomBytes } from 'node:crypto';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { HANG } from '../hang.ts';
import { recordNetns } from './ledger.ts';

/** Runs `ip` with arguments split at spaces: `ip('link add eth0 type veth peer name host0')`. */
export type Ip = (command: string) => Promise<string>;

export interface TestNetns {
  readonly name: string;
  /** The path that a container runtime would pass as CNI_NETNS. */
  readonly path: string;
  /** `ip -n <name> …` */
  readonly ip: Ip;
  /** `tc -n <name> …` */
  readonly tc: Ip;
}

/** A netns with a random name, deleted afterwards. */
export async function withNetns<T>(act: (netns: TestNetns) => Promise<T>): Promise<T> {
  const name = `tapwire-${randomBytes(4).toString('hex')}`;
  recordNetns(name);
  await execa('ip', ['netns', 'add', name]);
  try {
    return await act(testNetns(name));
  } finally {
    await execa('ip', ['netns', 'del', name]);
  }
}

/**
 * A netns with the pod link that a CNI plugin would have left: a veth with addresses and routes,
 * and its other end in the same netns.
 */
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

const PASST_SYSCTLS = '/proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range';

/**
 * The sysctls of a pod that passt needs: the first unprivileged port, and the first and last group
 * that may ping.
 */
export async function passtSysctls({ name }: TestNetns): Promise<readonly number[]> {
  const { stdout } = await execa('ip', ['netns', 'exec', name, 'cat', ...PASST_SYSCTLS.split(' ')]);
  return stdout.split(/\s/).map(Number);
}

export async function setPasstSysctls({ name }: TestNetns, values: readonly number[]): Promise<void> {
  const echo = `set -- ${values.join(' ')}; set -- ${PASST_SYSCTLS} $@; echo $3 > $1; echo $4 $5 > $2`;
  await execa('ip', ['netns', 'exec', name, 'sh', '-ec', echo]);
}

/** Turns off duplicate address detection of IPv6, which takes a second or two. */
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

/**
 * Runs all programs in one shell, and prints a title line before the output of each. Dumps take
 * most of these tests' time.
 */
const DUMP = `
  show() { title=$1; shift; echo "== $title"; "$@"; }
  show links ip -d -j link show
  show addresses ip -j addr show
  show routes4 ip -d -j -4 route show table all
  show routes6 ip -d -j -6 route show table all
  show neighbours ip -j neigh show nud permanent
  show nftables nft --stateless list ruleset
  qdiscs=$(tc qdisc show)
  show qdiscs echo "$qdiscs"
  echo "$qdiscs" | sed -nE 's/^qdisc (clsact|ingress) ffff: dev (\\S+) .*/\\2/p' | while read -r link; do
    for direction in ingress egress; do
      show "filters $link $direction" tc filter show dev "$link" $direction
    done
  done`;

type Sections = ReadonlyMap<string, string>;

async function dumpSections(path: string): Promise<Sections> {
  // The last section may be only a title. The demo calls this; Ctrl-C must not end the shell.
  const options = { stripFinalNewline: false, detached: true };
  const { stdout } = await execa('nsenter', [`--net=${path}`, 'sh', '-c', DUMP], options);
  return new Map(
    stdout
      .split(/^== /m)
      .slice(1)
      .map((section) => {
        const end = section.indexOf('\n');
        return [section.slice(0, end), section.slice(end + 1).trimEnd()] as const;
      }),
  );
}

/** The kernel makes IPv6 addresses usable a moment after their link is up. */
async function settledSections(path: string): Promise<Sections> {
  const deadline = performance.now() + HANG;
  for (;;) {
    const sections = await dumpSections(path);
    const links: Record<string, unknown>[] = JSON.parse(sections.get('links') || '[]');
    if (!sections.get('addresses')?.includes('"tentative":true') && links.every(isWatched)) return sections;
    assert.ok(performance.now() < deadline, 'IPv6 addresses are usable, and links have noticed each other');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * Whether a veth has noticed the state of its other end in the same netns, which takes the kernel a
 * moment.
 */
function isWatched(
  link: Record<string, unknown>,
  _: number,
  links: readonly Record<string, unknown>[],
): boolean {
  const other = links.find(({ ifname }) => ifname === link['link']);
  const isVeth = (link['linkinfo'] as { info_kind?: string } | undefined)?.info_kind === 'veth';
  if (!isVeth || other === undefined || !isUp(link)) return true;
  return (link['flags'] as string[]).includes('NO-CARRIER') === !isUp(other);
}

/** The state of a netns that ADD and DEL must restore, in a form that can be compared. */
export async function dumpNetns({ path }: TestNetns): Promise<Readonly<Record<string, unknown>>> {
  const sections = await settledSections(path);
  const json = (title: string): Record<string, unknown>[] => JSON.parse(sections.get(title) || '[]');
  const links = json('links');
  const taps = new Set(links.filter(isTun).map(({ ifname }) => ifname));
  const routes = (title: string) =>
    json(title).map((route) => withoutLifetimes(taps.has(route['dev']) ? { ...route, flags: [] } : route));
  return {
    links: links.map((link) => withoutQueue(isTun(link) ? withoutCarrier(link) : link)),
    addresses: json('addresses').map(({ ifname, addr_info }) => withoutLifetimes({ ifname, addr_info })),
    routes4: routes('routes4'),
    routes6: routes('routes6'),
    neighbours: json('neighbours'),
    nftables: sections.get('nftables'),
    qdiscs: withoutQueues(sections.get('qdiscs') ?? '', links),
    filters: Object.fromEntries([...sections].filter(([title]) => title.startsWith('filters '))),
  };
}

const isTun = (link: Record<string, unknown>): boolean =>
  (link['linkinfo'] as { info_kind?: string } | undefined)?.info_kind === 'tun';

const isUp = ({ flags }: Record<string, unknown>): boolean => (flags as string[]).includes('UP');

/**
 * A link keeps the queue that the kernel gives it when it first goes up. While the link is down the
 * queue has no effect.
 */
function withoutQueue(link: Record<string, unknown>): Record<string, unknown> {
  if (isUp(link)) return link;
  const { qdisc: _, ...rest } = link;
  return rest;
}

function withoutQueues(qdiscs: string, links: readonly Record<string, unknown>[]): string {
  const down = links.filter((link) => !isUp(link)).map(({ ifname }) => ` dev ${ifname} root `);
  return qdiscs
    .split('\n')
    .filter((line) => !down.some((words) => line.includes(words)))
    .map((line) => line.trimEnd())
    .join('\n');
}

/**
 * The kernel notices a moment after ADD that no process has opened a tap yet; its routes change as
 * well.
 */
function withoutCarrier({ operstate, flags, ...rest }: Record<string, unknown>): Record<string, unknown> {
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

/**
 * Compares two dumps and shows only the differences in its failure, because whole dumps have
 * hundreds of lines.
 */
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

/**
 * Leaf values by path. Links and addresses are keyed by their names, so that an additional one does
 * not shift the others.
 */
function flatten(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (typeof value !== 'object' || value === null) return into.set(path, JSON.stringify(value));
  for (const [key, entry] of Object.entries(value)) {
    const name = (entry as { ifname?: string } | null)?.ifname ?? key;
    flatten(entry, `${path}.${name}`, into);
  }
  return into;
}
