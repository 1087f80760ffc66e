/** The DaemonSet's pod on a node, as its manifests describe it. */
import { resolve } from 'node:path';
import { ARCHIVE } from '../image.ts';
import { kustomize, type Resource } from '../kustomize.ts';
import { type Container, importImages, probe, type RunningPod, runSpec } from './kubelet.ts';
import { type Node, withNode } from './node.ts';
import { until } from './until.ts';

const MANIFESTS = resolve(import.meta.dirname, '../../../../daemonset/manifests');
const BASE = kustomize(`${MANIFESTS}/base`);

const specIn = (resources: readonly Resource[]): Resource =>
  resources.find(({ kind }) => kind === 'DaemonSet').spec.template.spec;

/** The pod's spec; with another image if a tag is given. */
export function baseSpec(tag?: string): Resource {
  const spec = structuredClone(specIn(BASE));
  for (const container of [...spec.initContainers, ...spec.containers]) {
    if (tag !== undefined) container.image = container.image.replace(/:[^:]*$/, `:${tag}`);
  }
  return spec;
}

/** The pod's spec with a component, such as `macvtap`. */
export const specWith = (component: string): Resource =>
  specIn(kustomize(`${MANIFESTS}/${component}`, structuredClone(BASE)));

export const uninstallSpec = (): Resource => specIn(kustomize(`${MANIFESTS}/uninstall`, BASE));

/** A node that has the image, and nothing else of Tapwire's. */
export const withImage = <T>(act: (node: Node) => Promise<T>): Promise<T> =>
  withNode(async (node) => {
    await node.netns.ip('link set lo up');
    await importImages(node, ARCHIVE);
    return act(node);
  }, null);

/** Runs the pod until the kubelet would call it ready and clients can connect to the agent. */
export async function runAgent(
  node: Node,
  spec: Resource = baseSpec(),
): Promise<{ readonly pod: RunningPod; readonly agent: Container }> {
  const pod = await runSpec(node, spec);
  const [agent] = pod.containers;
  if (agent === undefined) throw new Error('The pod has no agent');
  const isReady = async () => (await probe(node, spec.containers[0].readinessProbe))[0];
  await until('the agent is ready', isReady, agent.log);
  await until('the agent listens', () => agent.log().includes('"Agent is listening'), agent.log);
  return { pod, agent };
}
