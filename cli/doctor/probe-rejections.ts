import { closeSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { NodePolicy } from '../../cni/policy/node-policy.ts';
import { FALLBACK, SHIM } from '../../daemonset/install/inventory.ts';
import { get } from '../../shared/json.ts';
import { native } from '../../shared/native/native.ts';
import type { AgentFacts, PluginDirectory } from './facts.ts';
import type { Rejection } from './macvtap-facts.ts';
import { FALLBACK_COMMAND, run } from './run-plugin.ts';

/** How every version begins the error for a node policy file that it does not accept. */
const REJECTION = 'Cannot use node file';

/**
 * Asks the agent and each fallback whether they accept the node policy file. A version that does
 * not know a key rejects the file, and with it every ADD.
 *
 * Versions cannot be compared: builds of different commits may have the same. So each program runs
 * an ADD in a temporary netns, with the binding that only sets two sysctls there.
 */
export async function probeRejections(
  policy: NodePolicy,
  agent: AgentFacts,
  directories: readonly PluginDirectory[],
): Promise<readonly Rejection[]> {
  const usable = directories.filter(({ plugin }) => plugin !== null && plugin.failure === null);
  const programs = [
    // All plugins connect to the same agent.
    ...(agent.isThere && agent.failure === null
      ? usable.slice(0, 1).map(({ path }) => ({ who: 'the agent', words: [join(path, SHIM)], cwd: '/' }))
      : []),
    ...usable
      .filter(({ plugin }) => plugin?.fallback.isThere && plugin.fallback.failure === null)
      .filter(({ plugin }) => (plugin?.fallback.comparison?.writable ?? []).length === 0)
      .map(({ path }) => ({ who: join(path, FALLBACK), words: FALLBACK_COMMAND, cwd: join(path, FALLBACK) })),
  ];
  const netns = await native.newNetns();
  try {
    // A procfs of the node shows this process with another pid than the container's.
    const path = `/proc/${readlinkSync('/proc/self')}/fd/${netns}`;
    const rejections: Rejection[] = [];
    for (const { who, words, cwd } of programs) {
      const reason = await rejectionBy(words, cwd, path, policy);
      if (reason !== null) rejections.push({ who, reason });
    }
    return rejections;
  } finally {
    closeSync(netns);
  }
}

/** Returns the message with which a program rejects the node policy file; null if it accepts it. */
async function rejectionBy(
  [file = '', ...args]: readonly string[],
  cwd: string,
  netns: string,
  { passt }: NodePolicy,
): Promise<string | null> {
  const namespace = passt.namespaces?.[0] ?? 'default';
  const env = {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'tapwire-doctor',
    CNI_NETNS: netns,
    CNI_IFNAME: 'net1',
    CNI_PATH: '/opt/cni/bin',
    CNI_ARGS: `IgnoreUnknown=true;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=tapwire-doctor`,
  };
  const { stdout } = await run(file, args, env, cwd, CONF);
  const reason = messageIn(stdout);
  return reason?.startsWith(REJECTION) ? reason : null;
}

const CONF = JSON.stringify({
  cniVersion: '1.0.0',
  name: 'tapwire-doctor',
  type: 'tapwire',
  binding: 'passt',
  args: { cni: { logicNetworkName: 'default' } },
});

function messageIn(stdout: string): string | null {
  try {
    const message = get(JSON.parse(stdout), 'msg');
    return typeof message === 'string' ? message : null;
  } catch {
    return null;
  }
}
