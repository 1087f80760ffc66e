/**
 * Runs `tapwire doctor --cluster` and `tapwire inspect --cluster` with the real kubectl against a
 * stand-in for the API server, and compares their output with the docs. The pods of the Jobs run
 * the real commands.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NODE } from '../helpers/agent/agent.ts';
import { type ApiServer, withApiServer } from '../helpers/cluster/api-server.ts';
import { onNode } from '../helpers/cluster/bare-node.ts';
import { assertShown, BUNDLE, type Printed, tapwire } from '../helpers/cluster/command-line.ts';
import { until } from '../helpers/cluster/containerd/until.ts';
import type { PodResult } from '../helpers/cluster/jobs.ts';
import { kustomize, type Resource } from '../helpers/cluster/kustomize.ts';
import { withPolicy } from '../helpers/cluster/macvtap-node.ts';
import { newContainerId } from '../helpers/plugin/cni.ts';
import { recordedJson, replayed } from '../helpers/plugin/recorded.ts';
import { addMacvtap, withMacvtapNode } from '../helpers/pod/macvtap-pod.ts';
import { type PodNames, type WiredPod, withWiredPod } from '../helpers/pod/wired-pod.ts';

const test = suite('--cluster');

const DAEMON_SET = kustomize(resolve(import.meta.dirname, '../../daemonset/manifests/base')).find(
  ({ kind }) => kind === 'DaemonSet',
);
const READY = { type: 'Ready', status: 'True' };
const LOST = { type: 'Ready', status: 'Unknown', message: 'Kubelet stopped posting node status.' };

const nodeOf = (name: string, condition: object = READY, arch = 'amd64'): Resource => ({
  metadata: { name, labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': arch } },
  status: { conditions: [condition] },
});

const toResult = ({ exitCode = -1, stdout, stderr }: Printed): PodResult => ({
  exitCode,
  log: `${stdout}${stderr}`,
});

/** Arguments of the command in a pod, without the way to the node's root. */
function argumentsOf(spec: Resource): readonly string[] {
  const { args } = spec.containers[0];
  const [command, option, root, ...rest] = args;
  assert.equal([option, root], ['--root', '/host']);
  return [command, ...rest];
}

/** Replaces the classifier, which depends on the kernel. */
const settled = (text: string): string =>
  text.replaceAll(/by u32; this kernel has no matchall [^"]*/g, 'by matchall');

test('doctor --cluster prints a row for each node, and further rows for its further problems, as the page shows', () => {
  const world = {
    daemonSet: DAEMON_SET,
    nodes: [nodeOf('node-1'), nodeOf('node-2'), nodeOf('node-3', LOST), nodeOf('node-4', READY, 'arm64')],
    run: async (spec: Resource) =>
      toResult(
        await onNode(
          spec.nodeName === 'node-1' ? ['tun', 'plugin', 'multus', 'agent'] : ['tun', 'plugin', 'agent'],
          spec.nodeName === 'node-1' ? '' : 'kill -9 $agent; wait $agent || true; agent=',
          argumentsOf(spec),
        ),
      ),
  };
  return withApiServer(world, async ({ env, jobs }) => {
    const { exitCode, stdout, stderr } = await tapwire(['doctor', '--cluster'], [], env);
    assert.equal(
      [exitCode, stderr],
      [1, '3 nodes: 1 ok, 0 with warnings, 1 with errors, 1 without a result\n'],
    );
    assertShown('docs/troubleshooting.md', 'tapwire doctor --cluster', settled(stdout));
    assert.equal(jobs.names(), []);
    const shown = await tapwire(['doctor', '--cluster', '--json'], [], env);
    const [first, , third] = JSON.parse(shown.stdout);
    assert.equal([first.node, first.failure, first.findings.length > 5], ['node-1', null, true]);
    assert.match(third.failure, /^the node is not ready: Kubelet stopped posting/);
  });
});

const GOOD: PodResult = {
  exitCode: 0,
  log: JSON.stringify([{ severity: 'ok', what: 'agent', found: 'answers', advice: null, version: '0.1.0' }]),
};

test('doctor --cluster checks only the named nodes, and rejects names that it cannot check', () => {
  const nodes = [nodeOf('a'), nodeOf('b'), nodeOf('c', LOST), nodeOf('arm', READY, 'arm64')];
  return withApiServer({ daemonSet: DAEMON_SET, nodes, run: async () => GOOD }, async ({ env, jobs }) => {
    const named = await tapwire(['doctor', '--cluster', 'c', 'a', 'a'], [], env);
    assert.equal(
      [named.exitCode, named.stderr],
      [1, '2 nodes: 1 ok, 0 with warnings, 0 with errors, 1 without a result\n'],
    );
    assert.match(named.stdout, /^NODE .*\na .*\nc .*\n$/);
    assert.is(jobs.created.length, 1);
    for (const [names, reason] of [
      [['a', 'x', 'vm-7'], '"x", "vm-7": the cluster has no such node; see "kubectl get nodes"'],
      [['arm'], '"arm": DaemonSet "tapwire/tapwire" does not select it; see its node affinity'],
    ] as const) {
      const { exitCode, stdout, stderr } = await tapwire(['doctor', '--cluster', ...names], [], env);
      assert.equal([exitCode, stdout, stderr], [2, '', `Cannot check ${reason}\n`]);
    }
    assert.is(jobs.created.length, 1);
  });
});

test('doctor --cluster asks 200 nodes, 16 at once; 20 do not answer and are rows', () => {
  const nodes = Array.from({ length: 200 }, (_, i) => nodeOf(`node-${i + 100}`, i % 20 === 3 ? LOST : READY));
  const run = async ({ nodeName }: Resource) => (Number(nodeName.slice(5)) % 20 === 7 ? null : GOOD);
  return withApiServer({ daemonSet: DAEMON_SET, nodes, run }, async ({ env, jobs }) => {
    const { exitCode, stdout, stderr } = await tapwire(['doctor', '--cluster', '--timeout', '15'], [], env);
    assert.equal(
      [exitCode, stderr],
      [1, '200 nodes: 180 ok, 0 with warnings, 0 with errors, 20 without a result\n'],
    );
    const rows = stdout.split('\n').slice(1, -1);
    assert.is(rows.length, 200);
    assert.is(rows.filter((row) => /^node-\d+ +ok +0\.1\.0 .* -$/.test(row)).length, 180);
    assert.is(rows.filter((row) => /no result: the node is not ready: Kubelet stopped/.test(row)).length, 10);
    assert.is(
      rows.filter((row) =>
        /no result: no reply within 15 s: its pod is Pending; see "kubectl describe node node-\d+"$/.test(
          row,
        ),
      ).length,
      10,
    );
    assert.equal([jobs.created.length, jobs.most, jobs.names()], [190, 16, []]);
  });
});

test('doctor --cluster bounds a reply, and prints no control characters of it', () => {
  const logs: Readonly<Record<string, string>> = {
    huge: 'x'.repeat(2 ** 20 + 1),
    escape: 'Cannot\u001b[2J run\n',
    strange: '[{"severity": "fine"}]',
  };
  const run = async ({ nodeName }: Resource) => ({ exitCode: 2, log: logs[nodeName] ?? '' });
  const nodes = Object.keys(logs).map((name) => nodeOf(name));
  return withApiServer({ daemonSet: DAEMON_SET, nodes, run }, async ({ env }) => {
    const { stdout } = await tapwire(['doctor', '--cluster'], [], env);
    assert.match(stdout, /^huge .* its output has more than 1048576 bytes$/m);
    assert.match(stdout, /^escape .* the doctor ended with status 2: Cannot\\u001b\[2J run$/m);
    assert.match(stdout, /^strange .* the doctor ended with status 2: \[\{"severity": "fine"\}\]$/m);
  });
});

for (const [right, message] of [
  ['list nodes', 'Cannot list the nodes: '],
  ['get daemonsets', 'Cannot read DaemonSet "tapwire/tapwire": '],
  ['create jobs', 'Cannot create a Job in namespace "tapwire": '],
  ['list pods', 'Cannot list pods in "tapwire": '],
  ['get pods/log', 'Cannot read the log of a pod in "tapwire": '],
] as const) {
  test(`doctor --cluster names the missing right to ${right}, and leaves no Job`, () => {
    const world = {
      daemonSet: DAEMON_SET,
      nodes: [nodeOf('a'), nodeOf('b')],
      run: async () => GOOD,
      denied: right,
    };
    return withApiServer(world, async ({ env, jobs }) => {
      const { exitCode, stdout, stderr } = await tapwire(['doctor', '--cluster'], [], env);
      assert.equal([exitCode, stdout, jobs.names()], [2, '', []]);
      const [verb, resource] = right.split(' ');
      assert.ok(stderr.startsWith(message), stderr);
      assert.match(
        stderr,
        new RegExp(`\\(Forbidden\\).* cannot ${verb} resource "${resource}"; docs/security.md `),
      );
    });
  });
}

test('doctor --cluster says which Jobs it could not delete, and when the cluster does', () => {
  const world = { daemonSet: DAEMON_SET, nodes: [nodeOf('a')], run: async () => GOOD, denied: 'delete jobs' };
  return withApiServer(world, async ({ env, jobs }) => {
    const { exitCode, stderr } = await tapwire(['doctor', '--cluster'], [], env);
    assert.is(exitCode, 0);
    const left = `Cannot delete Job "tapwire/${jobs.names()[0]}": .*; the cluster deletes it within 150 s\n$`;
    assert.match(stderr, new RegExp(left));
  });
});

test('doctor --cluster says that kubectl, the cluster or Tapwire is missing', () =>
  withApiServer({}, async ({ env }) => {
    const without = await tapwire(['doctor', '--cluster'], [], { ...env, PATH: '/nonexistent' });
    assert.equal([without.exitCode, without.stdout], [2, '']);
    assert.match(without.stderr, /^Cannot run "kubectl": it is not in PATH; install it, or run/);
    const unreachable = await tapwire(['doctor', '--cluster'], [], { ...env, KUBECONFIG: '/nonexistent' });
    assert.match(
      unreachable.stderr,
      /^Cannot read DaemonSet .*; check that "kubectl version" reaches the cluster$/m,
    );
    const bare = await tapwire(['doctor', '--cluster'], [], env);
    assert.match(bare.stderr, /daemonsets.apps "tapwire" not found; deploy Tapwire to this cluster\n$/);
  }));

/** Starts the doctor in its own session, and waits until it has created Jobs. */
async function startDoctor({ env, jobs }: ApiServer) {
  const child = spawn(NODE, [BUNDLE, 'doctor', '--cluster', '--timeout', '5'], { env, detached: true });
  let stderr = '';
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const ended = once(child, 'exit');
  await until(
    'there are Jobs',
    () => jobs.names().length > 2,
    () => stderr,
  );
  return { group: -(child.pid ?? 0), ended, stderr: () => stderr };
}

const SILENT = { daemonSet: DAEMON_SET, nodes: Array.from({ length: 40 }, (_, i) => nodeOf(`node-${i}`)) };

for (const [signals, name] of [
  [['SIGINT'], 'SIGINT'],
  [['SIGINT', 'SIGINT', 'SIGINT', 'SIGTERM'], 'several signals'],
  [['SIGTERM'], 'SIGTERM'],
  [['SIGHUP'], 'SIGHUP'],
] as const) {
  test(`doctor --cluster deletes its Jobs after ${name}, and ends by the first signal`, () =>
    withApiServer(SILENT, async (server) => {
      const { group, ended, stderr } = await startDoctor(server);
      for (const signal of signals) {
        process.kill(group, signal);
        await sleep(20); // signals that wait together have no order
      }
      assert.equal(await ended, [null, signals[0]]);
      assert.equal(server.jobs.names(), []);
      assert.is(stderr(), `Stopped by ${signals[0]}; deleting the Jobs\n`);
      assert.ok(server.jobs.created.length < 40);
    }));
}

test('a cluster deletes the Jobs and pods of a doctor that was killed', () =>
  withApiServer({ ...SILENT, second: 20 }, async (server) => {
    const { group, ended } = await startDoctor(server);
    process.kill(group, 'SIGKILL');
    await ended;
    assert.ok(server.jobs.names().length > 2, 'Jobs are left at first');
    await until(
      'all are deleted',
      () => server.jobs.names().length === 0,
      () => server.jobs.names().join(),
    );
    assert.equal(server.jobs.pods(), []);
  }));

const PATHS = ['pods/thick-vm-sec.json', 'vmi/vm-sec-running.json'] as const;
const [LAUNCHER, VMI] = PATHS.map(recordedJson);
const SOURCE = `vms/${LAUNCHER.metadata.name}`;
const TARGET = 'vms/virt-launcher-vm-sec-9kq4z';
const namesOf = (name: string): PodNames => ({ name, containerId: newContainerId() });
const [SOURCE_NAMES, TARGET_NAMES] = [namesOf(SOURCE), namesOf(TARGET)];

/** The pod to which the VMI migrates. */
function targetOf(launcher: Resource): Resource {
  const target = structuredClone(launcher);
  target.metadata.name = TARGET.split('/')[1];
  target.spec.nodeName = 'node-2';
  return target;
}

test('inspect --cluster shows both pods of a migration on their nodes, as the page shows', () =>
  withWiredPod(
    (source) =>
      withWiredPod(
        async (target) => {
          for (const { netns } of [source, target]) await netns.ip('link set tap0 address 02:00:00:00:00:20');
          await target.netns.tc('filter del dev eth0 ingress');
          const run = async (spec: Resource) => {
            const args = argumentsOf(spec);
            const [pod, node] = args.includes(TARGET) ? [target, 'node-2'] : [source, 'hclus-node'];
            assert.is(spec.nodeName, node);
            return toResult(await tapwire(args, pod.withResults));
          };
          const ended = { ...targetOf(LAUNCHER), status: { phase: 'Succeeded' } };
          const world = {
            daemonSet: DAEMON_SET,
            vmis: [VMI],
            pods: [LAUNCHER, targetOf(LAUNCHER), ended],
            run,
          };
          await withApiServer(world, async ({ env, jobs }) => {
            const { exitCode, stdout, stderr } = await tapwire(
              ['inspect', '--cluster', 'vms/vm-sec'],
              [],
              env,
            );
            assert.equal([exitCode, stderr, jobs.names()], [1, '', []]);
            const shown = stdout
              .replaceAll(source.netns.name, 'cni-6f0e1d2c3b4a')
              .replaceAll(target.netns.name, 'cni-0b1c2d3e4f5a')
              .replaceAll(SOURCE_NAMES.containerId, '3f1c0a7be5d9'.padEnd(64, '0'))
              .replaceAll(TARGET_NAMES.containerId, '8d2e4b6fa1c3'.padEnd(64, '0'))
              .replace(/\d+ packets?( of the pod's own stack)/g, '3 packets$1');
            assertShown('docs/inspect.md', 'tapwire inspect --cluster vms/vm-sec', shown);
            const json = await tapwire(['inspect', '--cluster', 'vms/vm-sec', '--json'], [], env);
            const [first, second] = JSON.parse(json.stdout);
            assert.equal([first.pod, first.node, first.failure], [SOURCE, 'hclus-node', null]);
            assert.equal([second.pod, second.node, second.failure], [TARGET, 'node-2', null]);
            assert.equal(second.inspection.attachments[0].defects, ['"eth0" has no redirect to "tap0"']);
          });
        },
        {},
        TARGET_NAMES,
      ),
    {},
    SOURCE_NAMES,
  ).then(() => replayed('a VMI and its pod', PATHS)));

test('inspect --cluster shows the macvtap of a VM', () =>
  withMacvtapNode(async (macvtap) => {
    await addMacvtap(macvtap);
    const run = async (spec: Resource) => {
      const [command = '', ...args] = argumentsOf(spec);
      assert.equal([command, args.at(-1)], ['inspect', SOURCE]);
      return toResult(await tapwire([command, ...args.slice(0, -1), macvtap.pod.path], macvtap.onNode));
    };
    const world = { daemonSet: DAEMON_SET, vmis: [VMI], pods: [LAUNCHER], run };
    await withApiServer(world, async ({ env }) => {
      const text = await tapwire(['inspect', '--cluster', 'vms/vm-sec'], [], env);
      assert.equal([text.exitCode, text.stderr], [0, '']);
      assert.match(text.stdout, `  resource   tapwire.io/${macvtap.resource}\n`);
      const json = await tapwire(['inspect', '--cluster', 'vms/vm-sec', '--json'], [], env);
      const [{ inspection }] = JSON.parse(json.stdout);
      assert.equal([inspection.attachments[0].binding, inspection.attachments[0].defects], ['macvtap', []]);
    });
  }));

test('doctor --cluster shows what macvtap lacks on a node', () => {
  const world = {
    daemonSet: DAEMON_SET,
    nodes: [nodeOf('node-1')],
    run: async (spec: Resource) => {
      const policy = withPolicy({ masters: [{ lowerDevice: 'uplink0' }] });
      return toResult(await onNode(['tun', 'multus'], policy, argumentsOf(spec)));
    },
  };
  return withApiServer(world, async ({ env }) => {
    const { exitCode, stdout } = await tapwire(['doctor', '--cluster'], [], env);
    assert.is(exitCode, 1);
    assert.match(
      stdout,
      'error lower device uplink0: is missing, for $.macvtap.masters; create it, or correct ',
    );
    assert.not.match(stdout, 'volume hot-plug', 'only problems are shown');
  });
});

test('inspect --cluster rejects a VMI that does not exist or has no running pod', () => {
  const ended = { ...LAUNCHER, status: { phase: 'Succeeded' } };
  return withApiServer({ daemonSet: DAEMON_SET, vmis: [VMI], pods: [ended] }, async ({ env, jobs }) => {
    const missing = await tapwire(['inspect', '--cluster', 'vms/nosuch'], [], env);
    assert.equal([missing.exitCode, missing.stdout], [2, '']);
    assert.match(
      missing.stderr,
      /^Cannot inspect VMI "vms\/nosuch": .*not found; see "kubectl get vmi -A"$/m,
    );
    const stopped = await tapwire(['inspect', '--cluster', 'vms/vm-sec'], [], env);
    assert.match(stopped.stderr, /^Cannot inspect VMI "vms\/vm-sec": none of its 1 pods is on a node; see /);
    assert.equal(jobs.created, []);
  });
});

test('inspect and doctor without --cluster do not call kubectl', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-path-'));
  try {
    const called = join(directory, 'called');
    writeFileSync(join(directory, 'kubectl'), `#!/bin/sh\ntouch ${called}\n`, { mode: 0o755 });
    const env = { PATH: `${directory}:${process.env['PATH'] ?? ''}` };
    const look = ({ withResults }: WiredPod) => tapwire(['inspect', 'vms/vm-here'], withResults, env);
    assert.is((await withWiredPod(look, {}, namesOf('vms/vm-here'))).exitCode, 0);
    await tapwire(['doctor'], [], env);
    assert.not.ok(existsSync(called));
    await tapwire(['doctor', '--cluster'], [], env);
    assert.ok(existsSync(called), 'with --cluster they do');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

for (const [args, message] of [
  [['doctor', '--cluster', '--root', '/'], '--cluster cannot be combined with --root'],
  [['doctor', '--timeout', '9'], '--timeout needs --cluster'],
  [['doctor', '--cluster', '--timeout', '1'], '--timeout: want seconds from 5 to 600, got "1"'],
  [['doctor', '--root', '/nonexistent'], 'Cannot enter "/nonexistent": ENOENT'],
  [['inspect', '--root', '/etc/passwd'], 'Cannot enter "/etc/passwd": it is not a directory; want the node'],
  [['inspect', '--cluster'], '--cluster: want NAMESPACE/VMI, got ""'],
  [['inspect', '--cluster', '../../x'], '--cluster: want NAMESPACE/VMI, got "../../x"'],
  [['inspect', '--cluster', '--svg', 'a/b'], '--cluster cannot be combined with --svg or --root'],
] as const) {
  test(`tapwire ${args.join(' ')} says: ${message}`, async () => {
    const { exitCode, stderr } = await tapwire(args);
    assert.is(exitCode, 2);
    assert.ok(stderr.includes(message), stderr);
  });
}

test.run();
