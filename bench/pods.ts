import { execa } from 'execa';

/** Name of a pod's netns. The run has its own mount namespace, so the name is unique there. */
export type Pod = string;

/** Name of the pod in Kubernetes: that of its VM, and a suffix. */
export const podName = (pod: Pod): string => `virt-launcher-${pod}-abcde`;

let last = 0;

/** Creates pods with the link of a CNI plugin: a veth to the node, with addresses and routes. */
export async function addPods(count: number): Promise<readonly Pod[]> {
  const pods = Array.from({ length: count }, () => `p${++last}`);
  await batch([], pods.flatMap(onNode));
  for (const pod of pods) await batch(['-n', pod], IN_POD);
  return pods;
}

const onNode = (pod: Pod): readonly string[] => [
  `netns add ${pod}`,
  `link add v${pod} mtu 1450 type veth peer name eth0 netns ${pod} mtu 1450`,
  `link set v${pod} addrgenmode none`,
  `link set v${pod} up`,
];

/**
 * Configures a link so that the kernel has no later work, such as probing for duplicate addresses,
 * which would disturb measurements.
 */
const IN_POD = [
  'link set eth0 addrgenmode none',
  'link set eth0 up',
  'addr add 192.0.2.10/24 dev eth0',
  'addr add 2001:db8::10/64 dev eth0 nodad',
  'addr add fe80::10/64 dev eth0 nodad',
  'route add default via 192.0.2.1',
  'route add 2001:db8:1::/48 via 2001:db8::1',
];

/**
 * Deletes pods and waits until the kernel has finished. The kernel deletes a netns later, and holds
 * the lock that every call needs meanwhile.
 */
export async function removePods(pods: readonly Pod[]): Promise<void> {
  if (pods.length === 0) return;
  await batch(
    [],
    pods.map((pod) => `netns del ${pod}`),
  );
  const gone = new Set(pods.map((pod) => `v${pod}`));
  const deadline = performance.now() + 60_000; // ms
  while ((await linkNames()).some((name) => gone.has(name))) {
    if (performance.now() > deadline)
      throw new Error('Cannot continue: the kernel has not deleted pods within 60 s');
    await pause(20);
  }
  await pause(50); // for the work of the kernel after the links are gone
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Names of the node's links. */
async function linkNames(): Promise<readonly string[]> {
  return (await links([])).map(({ ifname }) => ifname);
}

/** Whether the pod has the link and it is up. */
export async function hasLink(pod: Pod, ifname: string): Promise<boolean> {
  return (await links(['-n', pod])).some((link) => link.ifname === ifname && link.flags.includes('UP'));
}

interface Link {
  readonly ifname: string;
  readonly flags: readonly string[];
}

async function links(where: readonly string[]): Promise<readonly Link[]> {
  return JSON.parse((await execa('ip', [...where, '-j', 'link', 'show'])).stdout || '[]');
}

/** Runs many commands of ip(8) in one process. */
export async function batch(where: readonly string[], commands: readonly string[]): Promise<void> {
  await execa('ip', [...where, '-batch', '-'], { input: commands.join('\n') });
}
