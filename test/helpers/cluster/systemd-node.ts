/** A node with a real systemd, and nothing that this machine has installed or enabled. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { removeCgroup } from './containerd/cgroups.ts';
import { until } from './containerd/until.ts';

export interface SystemdNode {
  /** The node's "/", as the test sees it. */
  readonly root: string;
  /** Runs a script of sh(1) as an administrator would, in /root; it ends at the first failure. */
  readonly sh: (script: string) => Promise<string>;
  /** A command line that runs a program of this machine in the node's network. Ends in an exec. */
  readonly inNetwork: readonly string[];
}

/** Starts systemd as process 1 of its own namespaces, and removes everything afterwards. */
export async function withSystemd<T>(act: (node: SystemdNode) => Promise<T>): Promise<T> {
  const cgroup = `${unifiedCgroups()}/tapwire-${randomBytes(4).toString('hex')}`;
  mkdirSync(cgroup);
  const enter = `echo $$ >${cgroup}/cgroup.procs && exec "$@"`;
  const namespaces = '--mount --pid --net --cgroup --uts --ipc --fork --kill-child --propagation private';
  const child = spawn(
    'sh',
    ['-c', enter, 'sh', 'unshare', ...namespaces.split(' '), 'sh', `${import.meta.dirname}/systemd-init.sh`],
    { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const [log, ended] = [logOf(child.stderr), once(child, 'close')];
  let init = 0;
  try {
    const gone = ended.then(() => Promise.reject(new Error(`Cannot start systemd: ${log()}`)));
    gone.catch(() => {});
    const [line] = await Promise.race([once(child.stdout, 'data'), gone]);
    init = Number(line);
    const root = `/proc/${init}/root`;
    const isUp = () => existsSync(`${root}/run/systemd/private`);
    await Promise.race([until('systemd runs', isUp, log), gone]);
    const inNetwork = ['nsenter', `--target=${init}`, '--net'];
    const sh = async (script: string) => {
      const others = '--mount --pid --cgroup --uts --ipc'.split(' ');
      const [file = '', ...args] = [...inNetwork, ...others, 'sh', '-euc', `cd /root\n${script}`];
      return (await execa(file, args)).stdout;
    };
    return await act({ root, sh, inNetwork });
  } finally {
    if (init > 0)
      process.kill(init, 'SIGKILL'); // and so everything in its pid namespace
    else child.kill('SIGKILL');
    await ended;
    await removeCgroup(cgroup);
  }
}

function logOf(stream: NodeJS.ReadableStream): () => string {
  let log = '';
  stream.on('data', (data) => {
    log = `${log}${data}`.slice(-10_000);
  });
  return () => log;
}

/** Mount point of cgroup version 2: a directory of version 1's, or /sys/fs/cgroup itself. */
function unifiedCgroups(): string {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const [, place] = mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2') ?? [];
  if (place === undefined) throw new Error('Cannot start systemd: no cgroup2 is mounted');
  return place;
}

/** Writes a drop-in for the unit, which lasts until the node ends. */
export function writeDropIn(node: SystemdNode, unit: string, settings: string): void {
  const directory = `${node.root}/etc/systemd/system/${unit}.d`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/test.conf`, settings);
}
