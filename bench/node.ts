import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { execa } from 'execa';
import { MAX_CAPACITY } from '../shared/kubelet/device-id.ts';
import { type AgentFiles, type AgentName, type Agents, startAgent } from './agent.ts';
import { addCgroup } from './cgroups.ts';
import { RESOURCE } from './kubelet.ts';
import { type Place, UPLINK } from './peers.ts';
import { batch } from './pods.ts';

const ROOT = resolve(import.meta.dirname, '..');
/**
 * The directory for files of the run, on a tmpfs that only the run sees and that disappears with
 * it.
 */
export const SCRATCH = '/run/tapwire-bench';
export const STDERR = `${SCRATCH}/stderr`;
export const RUNNER = `${SCRATCH}/runner`;
export const FLOOR = `${SCRATCH}/floor`;
export const FRAMES = `${SCRATCH}/frames`;
/** The directory of the stand-in for kubelet. */
export const KUBELET = `${SCRATCH}/kubelet`;

export const PLACE: Place = {
  cniBin: `${SCRATCH}/cni/bin`,
  ipam: `${SCRATCH}/ipam`,
  macvtapSocket: `${SCRATCH}/macvtap/agent.sock`,
  noSocket: `${SCRATCH}/nobody.sock`,
};

/** The node policy file of the agent for macvtap. */
const NODE_FILE = `${SCRATCH}/node.json`;
/** Allows macvtaps on the node's NIC, with and without a device of kubelet. */
const MACVTAP_POLICY = {
  resources: [{ name: RESOURCE, lowerDevice: UPLINK, capacity: MAX_CAPACITY }],
  masters: [{ lowerDevice: UPLINK }],
  kubeletDirectory: KUBELET,
};

/** The path at which the installed executable looks for the agent. */
const AGENT_SOCKET = '/run/tapwire/agent.sock';
const AGENT_BUNDLE = `${ROOT}/dist/agent`;

/**
 * Makes the current netns a node: configures loopback and a NIC, installs Tapwire and starts its
 * agents. Returns null if `dist` has no agent.
 */
export async function prepareNode(cgroup: string): Promise<Agents | null> {
  await execa('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tapwire-bench', '/run']);
  for (const directory of ['cni/bin', 'jobs', 'ipam'])
    mkdirSync(`${SCRATCH}/${directory}`, { recursive: true });
  // Otherwise the kernel probes for duplicate IPv6 addresses during later measurements.
  writeFileSync('/proc/sys/net/ipv6/conf/default/dad_transmits', '0');
  const uplink = [
    `link add ${UPLINK} type veth peer name wire0`,
    'link set wire0 up',
    `link set ${UPLINK} up`,
  ];
  await batch([], ['link set lo up', ...uplink]);
  await Promise.all([
    compile('runner', RUNNER, FREESTANDING),
    compile('floor', FLOOR, ['-static']),
    compile('frames', FRAMES, []),
  ]);
  install();
  if (!existsSync(`${AGENT_BUNDLE}/index.js`)) return null;
  cpSync(AGENT_BUNDLE, `${SCRATCH}/agent`, { recursive: true, dereference: true });
  const start = (name: AgentName, files: AgentFiles) =>
    startAgent(`${SCRATCH}/agent/index.js`, files, addCgroup(cgroup, `agent-${name}`, null));
  writeFileSync(NODE_FILE, JSON.stringify({ macvtap: MACVTAP_POLICY }));
  return {
    tap: await start('tap', { socket: AGENT_SOCKET, log: `${SCRATCH}/agent.log`, options: [] }),
    macvtap: await start('macvtap', {
      socket: PLACE.macvtapSocket,
      log: `${SCRATCH}/macvtap.log`,
      // The other agent already serves health at the usual port, and scans the pods.
      options: ['--node-file', NODE_FILE, '--health', '127.0.0.1:0', '--scan-interval', '0'],
    }),
  };
}

/**
 * Installs a copy of Tapwire, with links resolved as README describes. A later build does not
 * change it.
 */
function install(): void {
  const options = { recursive: true, dereference: true } as const;
  for (const name of ['tapwire', '.tapwire'])
    cpSync(`${ROOT}/dist/cni/${name}`, `${PLACE.cniBin}/${name}`, options);
  cpSync(`${ROOT}/dist/test/tapwire`, `${PLACE.cniBin}/tapwire-test`);
}

/**
 * Flags for a program without libc (native/runner.c). The last keeps gcc from generating calls of
 * memset.
 */
const FREESTANDING = [
  ...['-static', '-nostdlib', '-ffreestanding', '-fno-stack-protector', '-fno-pie', '-no-pie'],
  '-fno-tree-loop-distribute-patterns',
];

async function compile(name: string, program: string, flags: readonly string[]): Promise<void> {
  const source = `${import.meta.dirname}/native/${name}.c`;
  await execa('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', ...flags, '-o', program, source]);
}
