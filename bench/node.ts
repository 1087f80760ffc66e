import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { execa } from 'execa';
import { type Agent, startAgent } from './agent.ts';
import { addCgroup } from './cgroups.ts';
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

export const PLACE: Place = {
  cniBin: `${SCRATCH}/cni/bin`,
  ipam: `${SCRATCH}/ipam`,
  noSocket: `${SCRATCH}/nobody.sock`,
};

/** The path at which the installed executable looks for the agent. */
const AGENT_SOCKET = '/run/tapwire/agent.sock';
const AGENT_BUNDLE = `${ROOT}/dist/agent`;

/**
 * Makes the current netns a node: configures loopback and a NIC, installs Tapwire and starts the
 * agent. Returns null if `dist` has no agent.
 */
export async function prepareNode(cgroup: string): Promise<Agent | null> {
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
  await Promise.all([compile('runner', RUNNER, FREESTANDING), compile('floor', FLOOR, ['-static'])]);
  install();
  if (!existsSync(`${AGENT_BUNDLE}/index.js`)) return null;
  cpSync(AGENT_BUNDLE, `${SCRATCH}/agent`, { recursive: true, dereference: true });
  return startAgent(
    `${SCRATCH}/agent/index.js`,
    AGENT_SOCKET,
    `${SCRATCH}/agent.log`,
    addCgroup(cgroup, 'agent', null),
  );
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
