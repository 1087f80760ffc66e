/**
 * A place in which a command is stopped and then looked at: /tmp, /run/netns and /usr/sbin are its
 * own, and a cgroup holds all its processes. So everything that the command leaves is seen, and
 * nothing of anybody else.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

export interface Sandbox {
  /** "/" as the command sees it. */
  readonly root: string;
  /** Directory in front of its PATH, for stand-ins. */
  readonly bin: string;
  /** Command line that runs a command in the sandbox, and in this directory. */
  enter(directory: string, command: readonly string[]): readonly [string, ...string[]];
  /** Processes of all commands so far that are still running: pid and name. */
  processes(): readonly string[];
  /** Everything else that the commands so far have left: netns, links, files. */
  leftOvers(): Promise<readonly string[]>;
}

/** Prepares the sandbox. A checkout in /tmp is mounted again, to stay visible. */
const PREPARE = `
  checkout=$1
  mount -t tmpfs -o mode=755 tmpfs /mnt
  mkdir /mnt/bin /mnt/upper /mnt/work /mnt/checkout
  mount --bind "$checkout" /mnt/checkout
  mkdir -p /run/netns
  mount -t tmpfs tmpfs /run/netns
  mount -t tmpfs -o mode=1777 tmpfs /tmp
  case $checkout in /tmp/*) mkdir -p "$checkout"; mount --bind /mnt/checkout "$checkout";; esac
  mount -t overlay -o lowerdir=/usr/sbin,upperdir=/mnt/upper,workdir=/mnt/work overlay /usr/sbin
  rm -f /usr/sbin/policy-rc.d
  echo ready
  exec cat`;

export interface SandboxOptions {
  /** A checkout to keep visible. */
  readonly checkout: string;
  /** Whether a command can reach the network, in the netns of this process. */
  readonly hasNetwork: boolean;
}

/** Calls `act` with a sandbox. */
export async function withSandbox(
  { checkout, hasNetwork }: SandboxOptions,
  act: (sandbox: Sandbox) => Promise<void>,
): Promise<void> {
  const holder = spawn(
    'unshare',
    [
      ...(hasNetwork ? [] : ['--net']),
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-ec',
      PREPARE,
      'sandbox',
      checkout,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'], detached: true },
  );
  const ended = once(holder, 'exit');
  const cgroup = `${cgroupRoot()}/tapwire-stop-${holder.pid}`;
  mkdirSync(cgroup);
  try {
    await Promise.race([
      once(holder.stdout, 'data'),
      ended.then(() => Promise.reject(new Error('Cannot prepare a sandbox'))),
    ]);
    const root = `/proc/${holder.pid}/root`;
    const namespaces = `/proc/${holder.pid}/ns`;
    const links = await linksIn(holder.pid);
    const temporary = readdirSync(`${root}/tmp`);
    const pids = () => readFileSync(`${cgroup}/cgroup.procs`, 'utf8').split('\n').filter(Boolean);
    const enter = 'echo $$ >"$1/cgroup.procs"; cd "$2"; shift 2; exec "$@"';
    try {
      await act({
        root,
        bin: `${root}/mnt/bin`,
        enter: (directory, command) => [
          ...(['nsenter', `--mount=${namespaces}/mnt`, `--net=${namespaces}/net`] as const),
          ...['sh', '-ec', enter, 'enter', cgroup, directory, ...command],
        ],
        processes: () => pids().map((pid) => `${pid} ${nameOf(pid)}`),
        async leftOvers() {
          return [
            ...readdirSync(`${root}/run/netns`).map((name) => `netns ${name}`),
            ...readdirSync(`${root}/tmp`)
              .filter((name) => !temporary.includes(name))
              .map((name) => `/tmp/${name}`),
            ...(existsSync(`${root}/usr/sbin/policy-rc.d`) ? ['/usr/sbin/policy-rc.d'] : []),
            ...(await linksIn(holder.pid))
              .filter((name) => !links.includes(name))
              .map((name) => `link ${name}`),
          ];
        },
      });
    } finally {
      for (const pid of pids()) process.kill(Number(pid), 'SIGKILL');
      while (pids().length > 0) await sleep(20);
    }
  } finally {
    holder.stdin.end();
    await ended;
    rmdirSync(cgroup);
  }
}

/** The hierarchy of version 2, or one of version 1. */
function cgroupRoot(): string {
  const roots = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup/pids'];
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return '/sys/fs/cgroup';
  return roots.find((path) => existsSync(path)) ?? '/sys/fs/cgroup';
}

/** Names of the links in the netns of a process. */
async function linksIn(pid = 0): Promise<readonly string[]> {
  const { stdout } = await execa('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', '-j', 'link', 'show']);
  const links: { ifname: string }[] = JSON.parse(stdout);
  return links.map(({ ifname }) => ifname);
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() || 'ended, not reaped';
  } catch {
    return 'ended';
  }
}
