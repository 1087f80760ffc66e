/**
 * containerd as the caller: a node's default network chains Tapwire between Debian's plugins, and
 * pods start and end.
 */
import { rmSync } from 'node:fs';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  assertWired,
  BRIDGE,
  ourLog,
  POD_MTU,
  TAPWIRE,
  TUNING,
} from '../helpers/cluster/containerd/chain.ts';
import { configureNetwork, type Node, withNode, writeNodeFile } from '../helpers/cluster/containerd/node.ts';
import {
  cachedResult,
  leases,
  nothingLeft,
  type Pod,
  removePod,
  runPod,
  settled,
} from '../helpers/cluster/containerd/pods.ts';
import { processesOf } from '../helpers/cluster/containerd/processes.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns } from '../helpers/pod/netns.ts';

const everyWay = suite('containerd');
const test = inOneWay(everyWay);

/** A node that may wire the default network, as the lab's and `multus.default` networks require. */
const withDefaultNetwork = <T>(act: (node: Node) => Promise<T>): Promise<T> =>
  withNode((node) => {
    writeNodeFile(node, { tap: { defaultNetwork: true } });
    return act(node);
  });

const failure = async (call: Promise<unknown>): Promise<string> => {
  const error = await call.then(
    () => Promise.reject(new Error('Expected a failure')),
    (cause: Error) => cause,
  );
  return error.message;
};

/** A text in which values that differ from pod to pod are replaced by the same names. */
function anonymous(value: unknown, names: Readonly<Record<string, string>>): unknown {
  let text = JSON.stringify(value);
  for (const [found, name] of Object.entries(names)) text = text.replaceAll(found, name);
  return JSON.parse(text);
}

/**
 * Returns a chain's result and the state of the pod's netns, with the pod's own MACs, addresses and
 * names replaced.
 */
async function outcome(node: Node, network: string, pod: Pod) {
  const result = cachedResult(node, network, pod);
  const { links, addresses, routes4, routes6, neighbours } = await dumpNetns(pod.netns);
  const host = result.interfaces[1];
  const eth0 = result.interfaces[2];
  const [ip4 = '', ip6 = ''] = pod.status.ips;
  const linkLocal = (addresses as { ifname: string; addr_info: { local: string }[] }[])
    .find(({ ifname }) => ifname === 'eth0')
    ?.addr_info.find(({ local }) => local.startsWith('fe80:'))?.local;
  const names = {
    [result.interfaces[0].mac]: 'mac of cni0',
    [host.mac]: 'mac of the host end',
    [host.name]: 'host end',
    [eth0.mac]: 'mac of eth0',
    [pod.netns.name]: 'netns',
    [`"${ip4}`]: '"ip4',
    [`"${ip6}`]: '"ip6',
    [linkLocal ?? '-']: 'link-local',
  };
  const own = (entries: unknown) =>
    (entries as { ifname?: string; dev?: string }[]).filter(
      (entry) => (entry.ifname ?? entry.dev) === 'eth0',
    );
  // biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8)
  const [{ link_index, ...link }] = own(links) as any[];
  return anonymous(
    { result, link, addresses: own(addresses), routes: [own(routes4), own(routes6)], neighbours },
    names,
  );
}

for (const cniVersion of ['0.3.0', '0.3.1', '0.4.0', '1.0.0']) {
  test(`[${cniVersion}] a pod gets what the chain gives without Tapwire, and a tap; its end leaves nothing`, () =>
    withDefaultNetwork(async (node) => {
      const plain = await configureNetwork(node, cniVersion, [BRIDGE, TUNING]);
      const other = await runPod(node);
      const expected = await outcome(node, plain, other);
      await removePod(node, other);
      await nothingLeft(node);

      const network = await configureNetwork(node, cniVersion, [BRIDGE, TAPWIRE, TUNING]);
      const pod = await runPod(node);
      assert.is(pod.status.state, 'SANDBOX_READY');
      assert.equal(await outcome(node, network, pod), expected);
      assert.equal([...leases(node)], pod.status.ips.map((ip) => [ip, pod.id]).sort());
      assert.is(pod.status.ips.length, 2);
      await assertWired(pod);

      await node.cri.stopPodSandbox(pod.id);
      assert.is((await node.cri.podSandboxStatus(pod.id)).state, 'SANDBOX_NOTREADY');
      await node.cri.stopPodSandbox(pod.id);
      await node.cri.removePodSandbox(pod.id);
      await nothingLeft(node);
      assert.equal(ourLog(node), [], 'nothing to warn of');
    }));
}

test('ADD accepts what containerd injects for every capability', () =>
  withDefaultNetwork(async (node) => {
    const names = ['portMappings', 'bandwidth', 'dns', 'ipRanges', 'io.kubernetes.cri.pod-annotations'];
    const capabilities = Object.fromEntries(names.map((name) => [name, true]));
    await configureNetwork(node, '1.0.0', [BRIDGE, { ...TAPWIRE, capabilities }, TUNING]);
    const pod = await runPod(node, {
      port_mappings: [
        { protocol: 'TCP', container_port: 22, host_port: 2222 },
        { protocol: 'UDP', container_port: 53, host_port: 5353, host_ip: '192.0.2.1' },
        { protocol: 'SCTP', container_port: 36412, host_port: 36412, host_ip: '2001:db8::1' },
      ],
      dns_config: { servers: ['10.0.0.10', 'fd00::10'], searches: ['vms.svc.cluster.local'] },
      annotations: { 'kubernetes.io/ingress-bandwidth': '10M', 'kubernetes.io/egress-bandwidth': '5M' },
    });
    await assertWired(pod);
    await removePod(node, pod);
    await nothingLeft(node);
    assert.equal(ourLog(node), [], 'nothing to warn of');
  }));

/**
 * The state that a plugin would change if it mistook the host netns for the pod's. The bridge's
 * carrier is left out, because it depends on its ports.
 */
async function nodeNetwork({ netns }: Node) {
  const { addresses, qdiscs, filters, neighbours } = await dumpNetns(netns);
  return { addresses, qdiscs, filters, neighbours };
}

for (const [why, policy, conf, message] of [
  [
    'an MTU above that of the pod link',
    { tap: { defaultNetwork: true } },
    { mtu: 9000 },
    `Cannot read $.mtu: want at most ${POD_MTU}, the mtu of "eth0", got 9000`,
  ],
  [
    'a default network that the node policy does not allow',
    null,
    {},
    'Cannot wire "eth0" as a network: it would take eth0 away from every pod on this network',
  ],
  [
    'a pod of a namespace that the node policy does not list',
    { tap: { defaultNetwork: true, namespaces: ['others'] } },
    {},
    'Cannot wire pods of namespace "vms"',
  ],
  ['a key of a wrong type', { tap: { defaultNetwork: true } }, { mtu: '1450' }, 'Cannot read $.mtu: '],
] as const) {
  test(`the pod's event names ${why}, nothing is left, and the next pod runs`, () =>
    withNode(async (node) => {
      await configureNetwork(node, '1.0.0', [BRIDGE, TUNING]);
      await removePod(node, await runPod(node)); // creates the bridge
      await nothingLeft(node);
      const before = await nodeNetwork(node);

      if (policy !== null) writeNodeFile(node, policy);
      await configureNetwork(node, '1.0.0', [BRIDGE, { ...TAPWIRE, ...conf }, TUNING]);
      const text = await failure(runPod(node));
      assert.match(text, 'failed to setup network for sandbox');
      assert.ok(text.includes(`plugin type="tapwire" failed (add): ${message}`), text);
      await nothingLeft(node);
      sameNetns(await nodeNetwork(node), before);
      assert.equal(ourLog(node), [], 'DEL of what was never made has nothing to say');

      writeNodeFile(node, { tap: { defaultNetwork: true } });
      await configureNetwork(node, '1.0.0', [BRIDGE, TAPWIRE, TUNING]);
      const pod = await runPod(node);
      await assertWired(pod);
      await removePod(node, pod);
      await nothingLeft(node);
    }));
}

/** Kills the given processes and the sandbox's process, then waits until containerd has noticed. */
async function killSandbox(node: Node, { id, status }: Pod, first: 'shim' | null = null): Promise<void> {
  const sandbox = processesOf(node.init).find(({ inner }) => inner === status.pid);
  assert.ok(sandbox, 'the sandbox runs');
  if (first === 'shim') process.kill(sandbox.parent, 'SIGKILL');
  process.kill(sandbox.pid, 'SIGKILL');
  const state = async () => (await node.cri.podSandboxStatus(id)).state;
  assert.is(await settled(state, 'SANDBOX_NOTREADY'), 'SANDBOX_NOTREADY');
}

const unmountNetns = (node: Node, { netns }: Pod) =>
  execa('nsenter', [
    `--target=${node.init}`,
    '--mount',
    '--pid',
    'umount',
    '--lazy',
    `/run/netns/${netns.name}`,
  ]);

for (const [why, damage] of [
  ['its process is killed', (node: Node, pod: Pod) => killSandbox(node, pod)],
  [
    'its process is killed and its netns deleted',
    async (node: Node, pod: Pod) => {
      await killSandbox(node, pod);
      await unmountNetns(node, pod);
      rmSync(pod.netns.path);
    },
  ],
  [
    'its process is killed and its netns is a plain file',
    async (node: Node, pod: Pod) => {
      await killSandbox(node, pod);
      await unmountNetns(node, pod);
    },
  ],
  ['its shim and its process are killed', (node: Node, pod: Pod) => killSandbox(node, pod, 'shim')],
  ['its tap is deleted', (_: Node, { netns }: Pod) => netns.ip('link del tap0')],
  ['its pod link is deleted', (_: Node, { netns }: Pod) => netns.ip('link del eth0')],
] as const) {
  test(`a pod is stopped and removed after ${why}`, () =>
    withDefaultNetwork(async (node) => {
      await configureNetwork(node, '1.0.0', [BRIDGE, TAPWIRE, TUNING]);
      const [pod, neighbour] = [await runPod(node), await runPod(node)];
      const before = await dumpNetns(neighbour.netns);
      await damage(node, pod);
      await removePod(node, pod);
      sameNetns(await dumpNetns(neighbour.netns), before, 'the pod beside it keeps all that it has');
      await assertWired(neighbour);
      await removePod(node, neighbour);
      await nothingLeft(node);
      assert.equal(ourLog(node), []);
    }));
}

everyWay('a pod is stopped three times at once', () =>
  withDefaultNetwork(async (node) => {
    await configureNetwork(node, '1.0.0', [BRIDGE, TAPWIRE, TUNING]);
    const pod = await runPod(node);
    const stops = await Promise.allSettled([1, 2, 3].map(() => node.cri.stopPodSandbox(pod.id)));
    // bridge fails on a netns that the first of the stops has deleted meanwhile; the kubelet asks
    // again.
    const failures = stops.flatMap((stop) => (stop.status === 'rejected' ? [String(stop.reason)] : []));
    assert.equal(
      failures.filter((text) => text.includes('tapwire')),
      [],
    );
    await removePod(node, pod);
    await nothingLeft(node);
    assert.equal(ourLog(node), []);
  }),
);

everyWay('an unknown key is reported in the log of containerd, and the pod runs', () =>
  withDefaultNetwork(async (node) => {
    const network = await configureNetwork(node, '1.0.0', [BRIDGE, { ...TAPWIRE, podlinks: 'eth0' }, TUNING]);
    const pod = await runPod(node);
    await assertWired(pod);
    const lines = ourLog(node).map((line) => ({ ...JSON.parse(line), time: '' }));
    const message = `Ignored unknown keys of network "${network}"`;
    assert.equal(lines, [{ time: '', level: 'warn', message, keys: ['podlinks'] }]);
    await removePod(node, pod);
    await nothingLeft(node);
  }),
);

everyWay.run();
