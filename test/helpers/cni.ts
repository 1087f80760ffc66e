import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';

/** The plugin as it gets installed: the shim, beside it the runtime that it runs without an agent. */
export const TAPWIRE = resolve(import.meta.dirname, '../../dist/cni/tapwire');

/** The same, but TAPWIRE_NODE_FILE reaches it. */
export const TEST_TAPWIRE = resolve(import.meta.dirname, '../../dist/test/tapwire');

/** One call as Multus makes it. */
export interface Call {
  readonly netns: string;
  /** `net1` for a binding NAD, the pod link for a network NAD. */
  readonly ifname?: string;
  readonly containerId?: string;
  /** Keys of the NAD's configuration beside those that every one has. */
  readonly conf?: Readonly<Record<string, unknown>>;
  /** The VMI's network, for a binding NAD. */
  readonly network?: string;
  /** What /etc/tapwire/node.json would hold on this node. */
  readonly nodeFile?: unknown;
  /** Environment beside CNI's, or instead of it. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON; undefined when it is empty. */
  // biome-ignore lint/suspicious/noExplicitAny: a test compares it with what it expects, whole
  readonly json: any;
}

export const newContainerId = (): string => randomBytes(32).toString('hex');

/** The configuration that reaches the plugin: Multus puts the annotation's cni-args under args.cni. */
export function netconf({ conf = {}, network }: Pick<Call, 'conf' | 'network'>): Record<string, unknown> {
  const args = network === undefined ? {} : { args: { cni: { logicNetworkName: network } } };
  return { cniVersion: '1.0.0', name: 'tapwire-tap', type: 'tapwire', ...args, ...conf };
}

/** Calls the plugin by its path, with an empty PATH and nothing but what CNI defines in its environment. */
export async function cni(command: string, call: Call): Promise<Answer> {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: call.containerId ?? 'pod1',
    CNI_NETNS: call.netns,
    CNI_IFNAME: call.ifname ?? 'net1',
    CNI_PATH: '/opt/cni/bin',
    CNI_ARGS:
      'IgnoreUnknown=true;K8S_POD_NAMESPACE=vms;K8S_POD_NAME=virt-launcher-vm1-abcde;K8S_POD_INFRA_CONTAINER_ID=;K8S_POD_UID=1',
    ...call.env,
  };
  const input = JSON.stringify(netconf(call));
  if (call.nodeFile === undefined) return callWith(env, input);
  return withNodeFile(call.nodeFile, (path) =>
    callWith({ ...env, TAPWIRE_NODE_FILE: path }, input, TEST_TAPWIRE),
  );
}

async function withNodeFile<T>(content: unknown, act: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-node-'));
  try {
    const path = join(folder, 'node.json');
    writeFileSync(path, JSON.stringify(content));
    return await act(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Calls the plugin with any environment and any bytes on stdin. */
export async function callWith(
  env: Readonly<Record<string, string>>,
  input: string | Uint8Array,
  program = TAPWIRE,
): Promise<Answer> {
  const { exitCode, stdout, stderr } = await execa(program, [], {
    input,
    env: { ...env, PATH: '' },
    extendEnv: false,
    reject: false,
    cwd: '/',
  });
  return { exitCode: exitCode ?? -1, stdout, stderr, json: stdout === '' ? undefined : JSON.parse(stdout) };
}
