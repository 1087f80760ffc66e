/**
 * A node whose container runtime is containerd, with Debian's CNI plugins and, if wanted,
 * Tapwire's.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { execa, execaSync } from 'execa';
import { NODE } from '../../agent/agent.ts';
import { WAY, type Way } from '../../plugin/way.ts';
import { type TestNetns, withNetns } from '../../pod/netns.ts';
import { cgroupsOf, removeCgroup } from './cgroups.ts';
import { type Cri, openCri } from './cri.ts';
import { PAUSE_IMAGE, pauseImage } from './pause-image.ts';
import { processesOf } from './processes.ts';
import { until } from './until.ts';

const DIST = resolve(import.meta.dirname, '../../../../dist');
/** Directory of the plugins in the package containernetworking-plugins. */
const NEIGHBOURS = '/usr/lib/cni';

/**
 * Environment of containerd, and so of every program that it starts. Short-lived Go programs take a
 * fifth less time with one thread at a time.
 */
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', GOMAXPROCS: '1' };
/**
 * Only settings whose defaults need a registry or CAP_SYS_RESOURCE. Paths are containerd's
 * defaults.
 */
const CONFIG = `version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "${PAUSE_IMAGE}"
`;

export interface Node {
  /** The host netns of the node. */
  readonly netns: TestNetns;
  /** The node's "/", as the test sees it. */
  readonly root: string;
  /** Process 1 of the node, and containerd, as the test sees their pids. */
  readonly init: number;
  readonly containerd: number;
  /** Null on a node without an agent. */
  readonly agent: number | null;
  readonly cri: Cri;
  /** Parent of the pods' cgroups. */
  readonly cgroupParent: string;
  /** Everything that containerd, and every plugin that it called, wrote to stderr so far. */
  readonly log: () => string;
}

/**
 * Starts containerd, imports the sandbox image, and deletes everything afterwards.
 *
 * @param way what of Tapwire is installed at the start; null for nothing
 */
export function withNode<T>(act: (node: Node) => Promise<T>, way: Way | null = WAY): Promise<T> {
  return withNetns(async (netns) => {
    const cgroupParent = `/${netns.name}`;
    const child = spawn(
      'nsenter',
      [
        `--net=${netns.path}`,
        ...'unshare --mount --pid --fork --kill-child --propagation private sh'.split(' '),
        `${import.meta.dirname}/node-init.sh`,
      ],
      { cwd: '/', env: ENVIRONMENT, stdio: 'pipe' },
    );
    let log = '';
    child.stderr.on('data', (data) => {
      log += data;
    });
    const ended = once(child, 'close');
    try {
      const init = await firstLine(child, ended, () => log);
      const root = `/proc/${init}/root`;
      install(root, way);
      child.stdin.write('start\n');
      const socket = `${root}/run/containerd/containerd.sock`;
      await until(
        'containerd serves',
        () => existsSync(socket),
        () => log,
      );
      await execa('ctr', ['-a', socket, '-n', 'k8s.io', 'image', 'import', '-'], {
        input: await pauseImage(),
      });
      const containerd = processesOf(init).find(({ name }) => name === 'containerd')?.pid ?? -1;
      const agent = way === 'agent' ? await agentOf(init) : null;
      const cri = openCri(socket);
      try {
        return await act({ netns, root, init, containerd, agent, cri, cgroupParent, log: () => log });
      } finally {
        cri.close();
      }
    } finally {
      child.stdin.end();
      await ended;
      for (const path of cgroupsOf(cgroupParent)) await removeCgroup(path);
    }
  });
}

async function firstLine(child: ChildProcess, ended: Promise<unknown>, log: () => string): Promise<number> {
  const gone = ended.then(() => Promise.reject(new Error(`Cannot prepare the node: ${log()}`)));
  const [line] = child.stdout === null ? [] : await Promise.race([once(child.stdout, 'data'), gone]);
  return Number(line);
}

/** The shim has only one path for the socket, but every node here has its own /run. */
async function agentOf(init: number): Promise<number> {
  const root = `/proc/${init}/root`;
  const log = () => readFileSync(`${root}/run/tapwire.log`, 'utf8');
  await until('the agent serves', () => existsSync(`${root}/run/tapwire/agent.sock`), log);
  const found = processesOf(init).find(({ pid }) => readlinkSync(`/proc/${pid}/exe`).endsWith('/node'));
  return found?.pid ?? -1;
}

function install(root: string, way: Way | null): void {
  const bin = `${root}/opt/cni/bin`;
  mkdirSync(bin, { recursive: true });
  cpSync(NEIGHBOURS, bin, { recursive: true });
  // As README tells administrators: whole files, because a link to the checkout would lead nowhere
  // on a node.
  if (way !== null) execaSync('cp', ['-rL', `${DIST}/cni/tapwire`, bin]);
  if (way === 'fallback') execaSync('cp', ['-rL', `${DIST}/cni/.tapwire`, bin]);
  if (way === 'agent') {
    // Without the fallback only the agent can have served a call.
    execaSync('cp', ['-rL', `${DIST}/agent`, `${root}/opt/tapwire`]);
    execaSync('cp', [NODE, `${root}/opt/tapwire/node`]);
  }
  mkdirSync(`${root}/etc/cni/net.d`, { recursive: true });
  mkdirSync(`${root}/etc/containerd`, { recursive: true });
  writeFileSync(`${root}/etc/containerd/tapwire.toml`, CONFIG);
}

let configured = 0;

/**
 * Makes these plugins the node's default network, waits until containerd has loaded it, and returns
 * the network's name.
 */
export async function configureNetwork(
  node: Node,
  cniVersion: string,
  plugins: readonly object[],
): Promise<string> {
  configured += 1;
  const name = `pods${configured}`;
  const path = `${node.root}/etc/cni/net.d/10-pods.conflist`;
  writeFileSync(path, JSON.stringify({ cniVersion, name, plugins }));
  await until(
    `containerd has loaded ${name}`,
    async () => (await node.cri.status()).network === name,
    node.log,
  );
  return name;
}

/** Writes the administrator's policy for NADs to /etc/tapwire/node.json. */
export function writeNodeFile(node: Node, content: object): void {
  const path = `${node.root}/etc/tapwire/node.json`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(content));
  chmodSync(path, 0o644);
}
