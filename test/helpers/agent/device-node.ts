/**
 * A node whose agent offers macvtap resources: a netns of its own with the lower device eth1, a
 * node policy file, and a stand-in for kubelet.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { type KnownResource, type Kubelet, startKubelet } from '../cluster/kubelet.ts';
import { HANG } from '../hang.ts';
import { type TestNetns, withNetns } from '../pod/netns.ts';
import type { Agent } from './agent.ts';
import { type AgentNode, until, urlOf, withEmptyNode } from './agent-node.ts';
import { type Metrics, parseMetrics } from './metrics.ts';

export type Resource = Readonly<Record<string, unknown>> & { readonly name: string };

export interface DeviceNode extends AgentNode {
  readonly netns: TestNetns;
  /** kubelet's root directory, which does not exist at first. */
  readonly kubeletDirectory: string;
  /** Replaces the node policy file by a valid one with these resources. */
  offer(...resources: readonly Resource[]): void;
  /** Replaces the node policy file by any text. */
  writePolicy(text: string): void;
  /** Starts the agent in the netns. */
  startHere(): Promise<Agent>;
  /** Starts the stand-in for kubelet, which ends with the node. */
  startKubelet(): Promise<Kubelet>;
}

/** The resource of most tests. */
export const LAN: Resource = { name: 'lan', lowerDevice: 'eth1', capacity: 4 };
export const LAN_NAME = 'tapwire.io/lan';

/** A node without agent and kubelet, whose eth1 is up with carrier. Its other end is peer1. */
export const withDeviceNode = <T>(act: (node: DeviceNode) => Promise<T>): Promise<T> =>
  withNetns(async (netns) => {
    await netns.ip('link set lo up');
    await addLower(netns);
    return withEmptyNode(async (node) => {
      const kubeletDirectory = join(node.directory, 'kubelet');
      const policy = join(node.directory, 'node.json');
      const kubelets: Kubelet[] = [];
      const writePolicy = (text: string) => {
        writeFileSync(`${policy}.new`, text, { mode: 0o644 });
        renameSync(`${policy}.new`, policy);
      };
      try {
        return await act({
          ...node,
          netns,
          kubeletDirectory,
          writePolicy,
          offer: (...resources) => writePolicy(JSON.stringify({ macvtap: { resources, kubeletDirectory } })),
          startHere: () => node.start({ under: ['nsenter', `--net=${netns.path}`, '--'] }),
          async startKubelet() {
            const kubelet = await startKubelet(kubeletDirectory);
            kubelets.push(kubelet);
            return kubelet;
          },
        });
      } finally {
        for (const kubelet of kubelets) await kubelet.stop();
      }
    });
  });

/** A node with kubelet and an agent that offers resources, which must exit with 0 at the end. */
export const withDevices = <T>(
  resources: readonly Resource[],
  act: (node: DeviceNode & { readonly agent: Agent; readonly kubelet: Kubelet }) => Promise<T>,
): Promise<T> =>
  withDeviceNode(async (node) => {
    node.offer(...resources);
    const kubelet = await node.startKubelet();
    const agent = await node.startHere();
    for (const { name } of resources) await known(kubelet, `tapwire.io/${name}`, isOffered);
    agent.accept();
    const result = await act({ ...node, agent, kubelet });
    await agent.stop();
    return result;
  });

export async function addLower({ ip }: TestNetns, ifname = 'eth1', peer = 'peer1'): Promise<void> {
  await ip(`link add ${ifname} type veth peer name ${peer}`);
  await ip(`link set ${ifname} up`);
  await ip(`link set ${peer} up`);
}

/** Waits until kubelet knows the resource in this state. */
export async function known(
  kubelet: Kubelet,
  name: string,
  isSo: (resource: KnownResource) => boolean,
): Promise<KnownResource> {
  let found: KnownResource | undefined;
  await until(`kubelet knows "${name}" so: ${isSo}`, () => {
    found = kubelet.resource(name);
    return found !== undefined && isSo(found);
  });
  return found as KnownResource;
}

export const isOffered = ({ isStopped, healthy, unhealthy }: KnownResource): boolean =>
  !isStopped && healthy.size + unhealthy.size > 0;
export const isHealthy = (resource: KnownResource): boolean =>
  isOffered(resource) && resource.unhealthy.size === 0;
export const isUnhealthy = (resource: KnownResource): boolean =>
  isOffered(resource) && resource.healthy.size === 0;

/** Metrics of an agent in another netns. */
export async function metricsIn({ path }: TestNetns, agent: Agent): Promise<Metrics> {
  const fetchIt =
    'fetch(process.argv[1]).then((one) => one.text()).then((text) => process.stdout.write(text))';
  const words = [`--net=${path}`, '--', process.execPath, '-e', fetchIt, urlOf(agent, '/metrics')];
  const { stdout } = await execa('nsenter', words, { stripFinalNewline: false, timeout: HANG });
  return parseMetrics(stdout);
}

/** Messages of the agent's log that contain a text. */
export const messagesWith = (agent: Agent, text: string): readonly string[] =>
  agent
    .log()
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line): string => JSON.parse(line).message)
    .filter((message) => message.includes(text));
