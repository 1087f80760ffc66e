import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import type { Agent } from '../agent/agent.ts';
import { type CommandLine, NODE_FILE, plugin, WAY, withAgentUnder } from './way.ts';

/** One call as Multus makes it. */
export interface Call {
  readonly netns: string;
  /** `net1` for a binding NAD, the pod link for a network NAD. */
  readonly ifname?: string;
  readonly containerId?: string;
  /** Keys of the NAD's configuration besides those that every NAD has. */
  readonly conf?: Readonly<Record<string, unknown>>;
  /** The VMI's network, for a binding NAD. */
  readonly network?: string;
  /** Content of /etc/tapwire/node.json on this node. */
  readonly nodeFile?: unknown;
  /** Environment in addition to CNI's variables, or overriding them. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON; undefined if stdout is empty. */
  // biome-ignore lint/suspicious/noExplicitAny: a test compares the whole of it with what it expects
  readonly json: any;
}

export const newContainerId = (): string => randomBytes(32).toString('hex');

/**
 * The configuration that reaches the plugin: Multus puts the annotation's cni-args under args.cni.
 */
export function netconf({ conf = {}, network }: Pick<Call, 'conf' | 'network'>): Record<string, unknown> {
  const args = network === undefined ? {} : { args: { cni: { logicNetworkName: network } } };
  return { cniVersion: '1.0.0', name: 'tapwire-tap', type: 'tapwire', ...args, ...conf };
}

/** CNI's variables as thick Multus sets them. */
export const environmentOf = (command: string, call: Call): Record<string, string> => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: call.containerId ?? 'pod1',
  CNI_NETNS: call.netns,
  CNI_IFNAME: call.ifname ?? 'net1',
  CNI_PATH: '/opt/cni/bin',
  CNI_ARGS:
    'IgnoreUnknown=true;K8S_POD_NAMESPACE=vms;K8S_POD_NAME=virt-launcher-vm1-abcde;' +
    `K8S_POD_INFRA_CONTAINER_ID=${call.containerId ?? 'pod1'};K8S_POD_UID=1`,
  ...call.env,
});

/** Calls the plugin by its path, with an empty PATH and only CNI's variables in its environment. */
export async function cni(command: string, call: Call): Promise<Answer> {
  const env = environmentOf(command, call);
  const act = () => callWith(env, JSON.stringify(netconf(call)));
  return call.nodeFile === undefined ? act() : withNodeFile(JSON.stringify(call.nodeFile), act);
}

/** Makes all calls during `act` find this node policy file, after `change` has modified it. */
export async function withNodeFile<T>(
  content: string,
  act: () => Promise<T>,
  change: (path: string) => unknown = () => {},
): Promise<T> {
  if (existsSync(NODE_FILE))
    throw new Error('Two tests at once have a node file: there is one for all calls');
  writeFileSync(NODE_FILE, content, { mode: 0o600 });
  try {
    await change(NODE_FILE);
    return await act();
  } finally {
    rmSync(NODE_FILE, { recursive: true, force: true });
  }
}

/** Calls the plugin with any environment and any bytes on stdin. */
export const callWith = (
  env: Readonly<Record<string, string>>,
  input: string | Uint8Array,
): Promise<Answer> => callThrough([], env, input);

/**
 * Calls the plugin under a command line that runs the caller as another user or in another place.
 * It ends in an exec.
 *
 * @param agent if it is not that of the test file
 */
export async function callThrough(
  through: readonly string[],
  env: Readonly<Record<string, string>>,
  input: string | Uint8Array,
  agent?: Agent,
): Promise<Answer> {
  return run(through, await plugin({ ...env, PATH: '' }, agent), input);
}

/** A node that is not that of the test file. */
export interface OtherNode {
  /** Command line that runs a program there; it ends in an exec. */
  readonly under: readonly string[];
  readonly agent: Agent | undefined;
  /** Path of the node policy file. */
  readonly nodeFile: string;
}

/** Calls the plugin on another node. */
export const callOn = async (
  { under, agent, nodeFile }: OtherNode,
  env: Readonly<Record<string, string>>,
  input: string | Uint8Array,
): Promise<Answer> => run(under, await plugin({ ...env, PATH: '' }, agent, nodeFile), input);

/**
 * Calls the plugin with the process that does the work, which is the agent or the caller itself,
 * under a command line.
 */
export async function callUnder(
  under: readonly string[],
  env: Readonly<Record<string, string>>,
  input: string | Uint8Array,
): Promise<Answer> {
  if (WAY !== 'agent') return callThrough(under, env, input);
  return withAgentUnder(under, (agent) => callThrough([], env, input, agent));
}

/** Runs the program whose file must not be the installed one. */
export const callProgram = (program: string, env: Readonly<Record<string, string>>): Promise<Answer> =>
  run([], { words: [program], env }, '');

async function run(
  through: readonly string[],
  { words, env }: CommandLine,
  input: string | Uint8Array,
): Promise<Answer> {
  const [file = '', ...rest] = [...through, ...words];
  // In a session of its own, so that Ctrl-C at the terminal does not end a call of the demo.
  const options = { input, env, extendEnv: false, reject: false, cwd: '/', detached: true } as const;
  const { exitCode, stdout, stderr } = await execa(file, rest, options);
  return { exitCode: exitCode ?? -1, stdout, stderr, json: stdout === '' ? undefined : JSON.parse(stdout) };
}
