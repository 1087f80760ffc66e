/**
 * The commands with `--cluster` find faults on a node. The real kubectl creates the Jobs, and
 * containerd runs their pods from the real image, as their specs say.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ApiServer, withApiServer } from '../helpers/cluster/api-server.ts';
import { tapwire } from '../helpers/cluster/command-line.ts';
import { callPlugin } from '../helpers/cluster/containerd/call-plugin.ts';
import { BRIDGE } from '../helpers/cluster/containerd/chain.ts';
import { baseSpec, runAgent, withImage } from '../helpers/cluster/containerd/daemonset.ts';
import { ended, runSpec } from '../helpers/cluster/containerd/kubelet.ts';
import { configureNetwork, type Node } from '../helpers/cluster/containerd/node.ts';
import { type Pod, podConfig, runPod } from '../helpers/cluster/containerd/pods.ts';
import { processesOf } from '../helpers/cluster/containerd/processes.ts';
import type { PodResult } from '../helpers/cluster/jobs.ts';
import type { Resource } from '../helpers/cluster/kustomize.ts';

const test = suite('diagnosis in containerd');

const NODE = {
  metadata: { name: 'node-1', labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' } },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
};
const VMI = { metadata: { namespace: 'vms', name: 'vm1', uid: 'u1' } };

/** Runs a Job's pod to its end. */
async function runToEnd(node: Node, spec: Resource): Promise<PodResult> {
  const pod = await runSpec(node, spec);
  const [container] = pod.containers;
  if (container === undefined) throw new Error('The pod has no container');
  const exitCode = await ended(node.cri, container);
  await pod.end();
  return { exitCode, log: container.log() };
}

/** @param without a capability to leave out of the pods */
function withCluster<T>(
  node: Node,
  launchers: readonly Resource[],
  act: (server: ApiServer) => Promise<T>,
  without?: string,
): Promise<T> {
  const run = (spec: Resource) => {
    const { capabilities } = spec.containers[0].securityContext;
    capabilities.add = capabilities.add.filter((capability: string) => capability !== without);
    return runToEnd(node, spec);
  };
  const daemonSet = { spec: { template: { spec: baseSpec() } } };
  return withApiServer({ nodes: [NODE], daemonSet, vmis: [VMI], pods: launchers, run }, act);
}

/** The node's findings that are not ok. */
async function problemsOf(node: Node, without?: string): Promise<readonly string[]> {
  const { stdout, stderr } = await withCluster(
    node,
    [],
    ({ env }) => tapwire(['doctor', '--cluster', '--json'], [], env),
    without,
  );
  assert.is.not(stdout, '', stderr);
  const [{ findings, failure }] = JSON.parse(stdout);
  if (failure !== null) return [failure];
  return findings
    .filter(({ severity }: Resource) => severity !== 'ok')
    .map(({ severity, what, found }: Resource) => `${severity} ${what}: ${found}`);
}

/** The only complaint about a node without Multus. */
const NO_MULTUS = /^warning default network: there is no Multus/;

test('the doctor finds no fault on a good node, an agent that was killed, and a plugin of another version', () =>
  withImage(async (node) => {
    const { pod, agent } = await runAgent(node);
    const good = await problemsOf(node);
    assert.is(good.length, 1, good.join('\n'));
    assert.match(good[0] ?? '', NO_MULTUS);

    // A link of the node leads to a place of the node, not of the pod.
    const directory = `${node.root}/etc/cni/net.d`;
    rmSync(directory, { recursive: true });
    mkdirSync(`${node.root}/etc/multus.d`);
    writeFileSync(`${node.root}/etc/multus.d/00-multus.conf`, '{"name": "m", "type": "multus-shim"}');
    symlinkSync('/etc/multus.d', directory);
    assert.equal(await problemsOf(node), []);

    const shim = `${node.root}/opt/cni/bin/tapwire`;
    writeFileSync(shim, '#!/bin/sh\necho "CNI plugin tapwire v0.0.9: old" >&2\n');
    chmodSync(shim, 0o755);
    const old = (await problemsOf(node)).join('\n');
    assert.match(
      old,
      /^warning versions: \/opt\/cni\/bin\/tapwire has version 0\.0\.9, this command 0\.1\.0$/m,
    );
    assert.match(old, /^warning \/opt\/cni\/bin\/tapwire: is not the file that this command came with$/m);

    const { pid } = await node.cri.containerStatus(agent.id);
    const first = processesOf(node.init).find(({ inner }) => inner === pid);
    assert.ok(first);
    process.kill(first.pid, 'SIGKILL');
    const dead = (await problemsOf(node)).join('\n');
    assert.match(dead, /^error agent: does not answer at \/run\/tapwire\/agent.sock, .*ECONNREFUSED/m);
    await pod.end();
  }));

/** Lets QEMU, as uid 107, hold a pod's tap. */
async function withQemu<T>({ init }: Node, { netns }: Pod, act: () => Promise<T>): Promise<T> {
  // Opening /dev/net/tun needs a right here, because only KubeVirt gives the device to uid 107.
  const caps = ['--inh-caps=-all,+dac_override', '--ambient-caps=-all,+dac_override'];
  const user = ['setpriv', '--reuid=107', '--regid=107', '--clear-groups', ...caps];
  const netdev = 'tap,id=n,ifname=tap0,script=no,downscript=no';
  const words = ['-S', '-M', 'none', '-display', 'none', '-nodefaults', '-netdev', netdev, '-qmp', 'stdio'];
  const inNode = ['nsenter', `--target=${init}`, '--pid', `--net=${netns.path}`];
  const [file = '', ...args] = [...inNode, ...user, 'qemu-system-x86_64', ...words];
  const qemu = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const failed = once(qemu, 'exit').then(() => Promise.reject(new Error('QEMU has ended')));
    await Promise.race([once(qemu.stdout, 'data'), failed]); // QMP's greeting
    return await act();
  } finally {
    if (qemu.exitCode === null) {
      qemu.stdin.end('{"execute": "qmp_capabilities"}{"execute": "quit"}');
      await once(qemu, 'exit');
    }
  }
}

/** A wired pod, as the API server and containerd know it. */
async function wiredPod(node: Node): Promise<{ readonly pod: Pod; readonly launcher: Resource }> {
  await configureNetwork(node, '1.0.0', [BRIDGE]);
  const { metadata } = podConfig(node) as Resource;
  const pod = await runPod(node, { metadata });
  assert.is((await callPlugin(node, 'ADD', pod)).exitCode, 0);
  const launcher = {
    metadata: {
      namespace: 'vms',
      name: metadata.name,
      labels: { 'kubevirt.io/created-by': VMI.metadata.uid },
    },
    spec: { nodeName: NODE.metadata.name },
    status: { phase: 'Running' },
  };
  return { pod, launcher };
}

const inspectVm = (node: Node, launcher: Resource, without?: string) =>
  withCluster(node, [launcher], ({ env }) => tapwire(['inspect', '--cluster', 'vms/vm1'], [], env), without);

test('inspect finds the pod, the process that holds its tap, and a deleted filter', () =>
  withImage(async (node) => {
    const { pod: agentPod } = await runAgent(node);
    const { pod, launcher } = await wiredPod(node);
    await withQemu(node, pod, async () => {
      const good = await inspectVm(node, launcher);
      assert.is(good.exitCode, 0, `${good.stdout}${good.stderr}`);
      assert.match(good.stdout, new RegExp(`^pod vms/${launcher.metadata.name} on node node-1\n`));
      assert.match(good.stdout, /^ +held by +qemu-system-x86 \(pid \d+\), 1 queue$/m);
      assert.match(good.stdout, /^ +silence +\d+ packets? of the pod/m);
      assert.match(good.stdout, /^ +state +as ADD left it$/m);
      for (const [capability, sign] of [
        ['SYS_CHROOT', /^Cannot enter "\/host": chroot: Operation not permitted/m],
        ['SYS_ADMIN', /Operation not permitted/],
        ['NET_ADMIN', /^ +silence +none/m],
        ['SYS_PTRACE', /^ +held by +no process/m],
        ['DAC_READ_SEARCH', /^ +held by +no process/m],
      ] as const) {
        const { stdout, stderr } = await inspectVm(node, launcher, capability);
        assert.match(`${stdout}${stderr}`, sign, `without ${capability}`);
      }
    });
    await pod.netns.tc('filter del dev eth0 ingress');
    const { exitCode, stdout } = await inspectVm(node, launcher);
    assert.is(exitCode, 1);
    assert.match(stdout, /^ +defect +"eth0" has no redirect to "tap0"$/m);
    await agentPod.end();
  }));

test('the doctor needs each of its capabilities', () =>
  withImage(async (node) => {
    const { pod } = await runAgent(node);
    for (const [capability, sign] of [
      ['SYS_CHROOT', /Cannot enter "\/host": chroot: Operation not permitted/],
      ['SYS_ADMIN', /^error wiring: Cannot create a network namespace: .*Operation not permitted/m],
      ['NET_ADMIN', /^error wiring: .*Operation not permitted/m],
    ] as const) {
      assert.match((await problemsOf(node, capability)).join('\n'), sign, `without ${capability}`);
    }
    await pod.end();
  }));

test.run();
