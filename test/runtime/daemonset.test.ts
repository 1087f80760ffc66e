/**
 * containerd runs the image as Tapwire's manifests say: the installer, the agent, a pod that they
 * wire, and the sidecar in that pod.
 */
import { chownSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tapwire from '../../package.json' with { type: 'json' };
import { callPlugin } from '../helpers/cluster/containerd/call-plugin.ts';
import { assertWired, BRIDGE } from '../helpers/cluster/containerd/chain.ts';
import { baseSpec, runAgent, uninstallSpec, withImage } from '../helpers/cluster/containerd/daemonset.ts';
import {
  type Container,
  containerSecurity,
  ended,
  execProbe,
  probe,
  resourcesOf,
  runSpec,
  startContainer,
} from '../helpers/cluster/containerd/kubelet.ts';
import { configureNetwork, type Node } from '../helpers/cluster/containerd/node.ts';
import { podConfig, removePod, runPod, settled } from '../helpers/cluster/containerd/pods.ts';
import { processesOf } from '../helpers/cluster/containerd/processes.ts';
import { until } from '../helpers/cluster/containerd/until.ts';
import { attach, returning } from '../helpers/pod/programs.ts';
import { domainFixture } from '../helpers/sidecar/domain-fixtures.ts';
import { callBack, callDefineDomain, callInfo, collectHooks } from '../helpers/sidecar/hook-api.ts';
import { vmiJson } from '../helpers/sidecar/vmi.ts';

const test = suite('the image in containerd');

const BIN = '/opt/cni/bin';

/** Reads a file of /proc about a container's first process. */
async function procOf({ cri, init }: Node, { id }: Container, file: string): Promise<string> {
  const { pid } = await cri.containerStatus(id);
  const found = processesOf(init).find(({ inner }) => inner === pid);
  return readFileSync(`/proc/${found?.pid}/${file}`, 'utf8');
}

const statusOf = (status: string, key: string) => new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(status)?.[1];

/** The capabilities in `names`, numbered as in capabilities(7), in the form of /proc. */
const NET_ADMIN_AND_SYS_ADMIN = ((1n << 12n) | (1n << 21n)).toString(16).padStart(16, '0');

test('the agent’s pod installs, becomes ready, and has exactly the privileges that its manifest lists', () =>
  withImage(async (node) => {
    const { pod, agent } = await runAgent(node);
    const installed = readdirSync(`${node.root}${BIN}`).filter((name) => name.includes('tapwire'));
    const current = readlinkSync(`${node.root}${BIN}/.tapwire`);
    assert.match(current, new RegExp(`^\\.tapwire-${tapwire.version}-[0-9a-f]{8}$`));
    assert.equal(installed.sort(), ['.tapwire', current, 'tapwire']);

    const status = await procOf(node, agent, 'status');
    for (const set of ['CapEff', 'CapPrm', 'CapBnd'])
      assert.is(statusOf(status, set), NET_ADMIN_AND_SYS_ADMIN);
    assert.is(statusOf(status, 'CapAmb'), '0'.repeat(16));
    assert.is(statusOf(status, 'Seccomp'), '2', 'the runtime’s filter');
    const mounts = (await procOf(node, agent, 'mountinfo')).split('\n').map((line) => line.split(' '));
    const optionsOf = (point: string) => mounts.find((mount) => mount[4] === point)?.[5] ?? '';
    assert.match(optionsOf('/'), /^ro,/);
    assert.match(optionsOf('/proc/sys'), /^ro,/);
    assert.match(optionsOf('/etc/tapwire'), /^ro,/);
    assert.match(optionsOf('/run/netns'), /^ro,/);
    assert.match(optionsOf('/run/tapwire'), /^rw,/);
    assert.ok(
      mounts.every((mount) => !mount[4]?.includes('cni')),
      'the CNI bin directory is not there',
    );

    const socket = statSync(`${node.root}/run/tapwire/agent.sock`);
    assert.equal([socket.uid, socket.mode & 0o777], [0, 0o600]);
    const [, metrics] = await probe(node, { httpGet: { host: '127.0.0.1', port: 9746, path: '/metrics' } });
    assert.match(metrics, new RegExp(`tapwire_build_info\\{version="${tapwire.version}",node="v24`));

    const { livenessProbe } = baseSpec().containers[0];
    let said = '';
    const isAlive = async () => {
      const [isSuccess, output] = await execProbe(node, agent, livenessProbe);
      said = output;
      return isSuccess;
    };
    await until('the liveness probe succeeds', isAlive, () => said);
    await pod.end();
    assert.match(agent.log(), /"Agent is done"/);
  }));

/**
 * KubeVirt's security context for a sidecar of a VMI that does not run as root and has guaranteed
 * QoS.
 *
 * Source: kubevirt pkg/virt-controller/services/template.go
 */
const SIDECAR_SECURITY = {
  runAsUser: 107,
  runAsGroup: 107,
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
};
const SIDECAR_LIMITS = { cpu: '200m', memory: '64M' };

test('the installed files wire a pod, and the sidecar serves its VM’s hooks', () =>
  withImage(async (node) => {
    const { pod: agentPod, agent } = await runAgent(node);
    await configureNetwork(node, '1.0.0', [BRIDGE]);
    const config = podConfig(node);
    const pod = await runPod(node, config as Record<string, unknown>);
    const { exitCode, stdout } = await callPlugin(node, 'ADD', pod);
    assert.equal([exitCode, JSON.parse(stdout)], [0, { cniVersion: '1.0.0' }]);
    await assertWired(pod);
    await until('the agent has done it', () => agent.log().includes('"message":"ADD"'), agent.log);

    const hooks = `${node.root}/run/hooks`;
    const directory = `${hooks}/hook-sidecar-0`;
    mkdirSync(directory, { recursive: true, mode: 0o770 });
    chownSync(directory, 107, 107);
    const container = {
      metadata: { name: 'hook-sidecar-0' },
      image: { image: `localhost/tapwire:${tapwire.version}` },
      envs: [
        { key: 'CONTAINER_NAME', value: 'hook-sidecar-0' },
        { key: 'NETWORK_BINDING_PLUGIN_NAME', value: 'tapwire' },
        { key: 'XDG_RUNTIME_DIR', value: '/var/run' },
      ],
      mounts: [{ container_path: '/var/run/kubevirt-hooks', host_path: '/run/hooks/hook-sidecar-0' }],
      linux: {
        resources: resourcesOf({ requests: SIDECAR_LIMITS, limits: SIDECAR_LIMITS }),
        // KubeVirt leaves the root file system writable; the sidecar does not need that.
        security_context: containerSecurity({ ...SIDECAR_SECURITY, readOnlyRootFilesystem: true }),
      },
    };
    const sidecar = await startContainer(node, { sandbox: pod.id, config, container });
    const [hook] = await collectHooks(hooks, 'nested', 1);
    const socket = hook?.socket ?? '';
    assert.is((await callInfo(socket))['name'], 'tapwire');
    const vmi = vmiJson({
      interfaces: [{ name: 'default', binding: { name: 'tapwire' } }],
      networks: [{ name: 'default', pod: {} }],
    });
    const domain = await callDefineDomain(socket, domainFixture('no-interface').xml, vmi);
    assert.match(domain, /<target dev="tap0" managed="no"/);
    assert.match(domain, /<alias name="ua-default"/);

    const status = await procOf(node, sidecar, 'status');
    assert.match(statusOf(status, 'Uid') ?? '', /^107\s/);
    assert.equal(
      ['CapEff', 'CapBnd', 'NoNewPrivs'].map((key) => statusOf(status, key)),
      ['0'.repeat(16), '0'.repeat(16), '1'],
    );
    await callBack(socket, 'v1alpha3', 'Shutdown', {});
    assert.is(await ended(node.cri, sidecar), 0, sidecar.log());
    assert.equal(readdirSync(directory), []);

    assert.is((await callPlugin(node, 'DEL', pod)).exitCode, 0);
    await agentPod.end();
  }));

test("the agent finds a filter that was added after ADD, in a pod that started after the agent, and keeps no pod's netns alive", () =>
  withImage(async (node) => {
    const spec = baseSpec();
    spec.containers[0].args = ['--scan-interval', '1'];
    const { pod: agentPod, agent } = await runAgent(node, spec);
    await configureNetwork(node, '1.0.0', [BRIDGE]);
    const pod = await runPod(node);
    assert.is((await callPlugin(node, 'ADD', pod)).exitCode, 0);
    await pod.netns.tc('filter add dev eth0 ingress pref 10 u32 match u32 0 0 flowid 1:1');
    const line = `"message":"\\"eth0\\" has a u32 filter at pref 10 that takes its frames`;
    await until('the agent says so', () => agent.log().includes(line), agent.log);
    await pod.netns.tc('filter del dev eth0 ingress pref 10');
    const id = await attach(pod.netns, 'tcx', 'eth0', returning(0));
    const program = `has the TCX program ${id} \\"tapwire_test\\" that takes its frames`;
    await until('it may ask for programs', () => agent.log().includes(program), agent.log);
    assert.is((await callPlugin(node, 'DEL', pod)).exitCode, 0);
    await removePod(node, pod);
    const left = async () => [
      ...readdirSync(`${node.root}/run/netns`),
      ...(await node.netns.ip('netns list-id')).split('\n').filter(Boolean),
    ];
    assert.equal(await settled(left, []), []);
    await agentPod.end();
  }));

test('uninstall deletes what was installed and keeps everything else', () =>
  withImage(async (node) => {
    const before = readdirSync(`${node.root}${BIN}`);
    const { pod } = await runAgent(node);
    await pod.end();
    const removal = await runSpec(node, uninstallSpec());
    assert.equal(readdirSync(`${node.root}${BIN}`), before);
    assert.equal(readdirSync(`${node.root}/run/tapwire`), []);
    const [done] = removal.containers;
    assert.is((await node.cri.containerStatus(done?.id ?? '')).state, 'CONTAINER_RUNNING');
    await node.cri.stopContainer(done?.id ?? '', 60);
    const { exitCode } = await node.cri.containerStatus(done?.id ?? '');
    assert.is.not(exitCode, 128 + 9, 'what stays ends when it is told to');
    await removal.end();
  }));

test.run();
