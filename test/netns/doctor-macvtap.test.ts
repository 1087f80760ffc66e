/**
 * Runs `tapwire doctor` on nodes whose node policy file has `$.macvtap`, and compares its output
 * with docs/troubleshooting.md.
 */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NODE } from '../helpers/agent/agent.ts';
import { onNode, PARTS, untilLogged } from '../helpers/cluster/bare-node.ts';
import { assertShown } from '../helpers/cluster/command-line.ts';
import { type Kubelet, startKubelet } from '../helpers/cluster/kubelet.ts';
import { withLower, withPolicy } from '../helpers/cluster/macvtap-node.ts';
import { versionBefore } from '../helpers/cluster/version-before.ts';
import { withDirectory } from '../helpers/plugin/shim.ts';

const test = suite('tapwire doctor: macvtap');

type Part = keyof typeof PARTS;
const ALL: readonly Part[] = ['tun', 'plugin', 'multus', 'agent'];
/** Without the slow parts. */
const FEW: readonly Part[] = ['tun', 'multus'];
const RESOURCE = { name: 'vm-lan', lowerDevice: 'uplink0' };
const POLICY = withPolicy({ resources: [RESOURCE] });
const KUBELET = '/var/lib/kubelet';
const SOCKETS = ['device-plugins', 'pod-resources'].map((name) => `${KUBELET}/${name}/kubelet.sock`);

const doctor = (parts: readonly Part[], ...change: readonly string[]) =>
  onNode(parts, change.join('\n'), ['doctor']);

/** A socket outlives the process that has bound it. */
const socketAt = (path: string): string =>
  `mkdir -p $(dirname ${path}); ${NODE} -e 'require("net").createServer().listen("${path}", () => process.kill(process.pid, 9))' || true`;

/** Runs the doctor next to an agent, once its log has this text, and a stand-in for kubelet. */
function withKubelet(prepare: (kubelet: Kubelet) => void, wait: string, ...change: readonly string[]) {
  return withDirectory(async (directory) => {
    const kubelet = await startKubelet(join(directory, 'kubelet'));
    try {
      prepare(kubelet);
      const policy = withPolicy({ resources: [RESOURCE], kubeletDirectory: kubelet.directory });
      const printed = await doctor(
        ['tun', 'plugin', 'multus'],
        withLower(),
        ...change,
        policy,
        PARTS.agent,
        untilLogged(wait),
      );
      return { ...printed, stdout: printed.stdout.replaceAll(kubelet.directory, KUBELET) };
    } finally {
      await kubelet.stop();
    }
  });
}

test('reports ok for a complete node, as the page shows', async () => {
  const { exitCode, stdout, stderr } = await withKubelet(() => {}, 'Registered');
  assert.equal([exitCode, stderr], [0, '']);
  const shown = stdout.replace(/by u32; this kernel has no matchall .*$/m, 'by matchall');
  assertShown('docs/troubleshooting.md', 'tapwire doctor   # on a node with a macvtap resource', shown);
});

test('reports devices that kubelet has not registered, and unhealthy ones', async () => {
  const refuse = ({ faults }: Kubelet) => {
    faults.register = 'no such luck';
  };
  const refused = await withKubelet(refuse, 'no such luck');
  assert.match(
    refused.stdout,
    /^error {4}resource tapwire.io\/vm-lan: the agent offers 100 healthy devices, but kubelet has not registered them, /m,
  );
  const down = await withKubelet(() => {}, 'unhealthy', 'ip link set uplink0 down');
  assert.match(down.stdout, /^error {4}lower device uplink0: is down, /m);
  assert.match(down.stdout, /^error {4}resource tapwire.io\/vm-lan: 100 of 100 devices are unhealthy, /m);
});

test('accepts a node policy file that this version knows', async () => {
  const { stdout } = await doctor(ALL, withLower(), POLICY, ...SOCKETS.map(socketAt));
  const lines = stdout.split('\n').filter((line) => !line.includes('/opt/cni/bin'));
  for (const line of [
    'ok       node policy file: /etc/tapwire/node.json is valid',
    'ok       macvtap: the kernel can create macvtaps',
    'ok       /dev: a devtmpfs: the kernel makes and deletes the device nodes of macvtaps',
    'ok       lower device uplink0: veth, up, MTU 1500, for tapwire.io/vm-lan; while VMs use it, it has allmulticast on, so the node receives all multicast frames',
    'ok       kubelet: /var/lib/kubelet has the sockets for device plugins and pod resources',
    "ok       volume hot-plug: KubeVirt drops a VM's right to open its macvtap when a volume is hot-plugged (kubevirt#17392); for VMs that need hot-plug, use the binding tap on a macvlan network",
  ]) {
    assert.ok(lines.includes(line), `${line}\n\nin\n\n${stdout}`);
  }
  assert.not.match(stdout, 'rejects it');
});

test('says nothing about macvtap if the node policy file does not', async () => {
  const { exitCode, stdout } = await doctor(FEW, withLower(), `echo '{"tap": {}}' >/etc/tapwire/node.json`);
  assert.is(exitCode, 1, 'there is no plugin');
  assert.not.match(stdout, /macvtap|kubelet|uplink0|hot-plug|\/dev:/);
});

test('reports an agent and a fallback of a version that does not know $.macvtap', async () => {
  const { dist } = await versionBefore();
  const install = `${NODE} ${dist}/install/index.js install --cni-bin-dir /opt/cni/bin --from ${dist}/cni 2>/dev/null`;
  const agent = `
    ${NODE} ${dist}/agent/index.js 2>/run/agent.log & agent=$!
    ${untilLogged('Agent is listening')}`;
  const { exitCode, stdout } = await doctor(FEW, install, agent, withLower(), POLICY);
  assert.is(exitCode, 1);
  const reason = 'Cannot use node file "/etc/tapwire/node.json": .*only the keys tap, passt, got "macvtap"';
  const advice =
    'upgrade Tapwire on this node before /etc/tapwire/node.json has \\$.macvtap; until then, remove that key';
  for (const who of ['the agent', '/opt/cni/bin/.tapwire']) {
    const line = `^error    node policy file: ${who} rejects it, and with it every ADD: ${reason}; ${advice}$`;
    assert.match(stdout, new RegExp(line, 'm'));
  }
});

test('asks with a namespace that the policy allows', async () => {
  const policy = withPolicy({ masters: [{ lowerDevice: 'uplink0' }] }, { passt: { namespaces: ['vms'] } });
  const { stdout } = await doctor(ALL, withLower(), policy);
  assert.not.match(stdout, 'rejects it');
  assert.match(stdout, /^ok {7}lower device uplink0: .*, for \$.macvtap.masters; /m);
  assert.not.match(stdout, /kubelet|hot-plug/);
});

const CASES: readonly (readonly [string, readonly string[], RegExp])[] = [
  [
    'no kubelet',
    [],
    /^error {4}kubelet: \/var\/lib\/kubelet\/device-plugins\/kubelet.sock and \/var\/lib\/kubelet\/pod-resources\/kubelet.sock are not sockets, /m,
  ],
  [
    'a file in place of a socket',
    [socketAt(SOCKETS[1] ?? ''), `mkdir ${KUBELET}/device-plugins; touch ${SOCKETS[0]}`],
    /^error {4}kubelet: \/var\/lib\/kubelet\/device-plugins\/kubelet.sock is not a socket, /m,
  ],
  [
    'no agent',
    [],
    /^error {4}resource tapwire.io\/vm-lan: no agent offers it to kubelet, .*; run the DaemonSet/m,
  ],
  [
    'no lower device',
    ['ip link delete uplink0'],
    /^error {4}lower device uplink0: is missing, for tapwire.io\/vm-lan; create it/m,
  ],
  [
    'a lower device that is down',
    ['ip link set uplink0 down'],
    /^error {4}lower device uplink0: is down, .*; set it up: ip link set uplink0 up$/m,
  ],
  [
    'a lower device without carrier',
    ['ip link set wire0 down'],
    /^warning {2}lower device uplink0: has no carrier, /m,
  ],
  [
    'a bridge port',
    ['ip link add br0 type bridge; ip link set uplink0 master br0'],
    /^warning {2}lower device uplink0: belongs to another link, /m,
  ],
  [
    'a private /dev',
    ['mount -t tmpfs none /dev; mkdir /dev/net; mknod /dev/null c 1 3; mknod -m 666 /dev/net/tun c 10 200'],
    /^warning {2}\/dev: tmpfs instead of the kernel's devtmpfs: ADD makes each device node itself, /m,
  ],
  [
    'a lower device of layer 3',
    [withPolicy({ resources: [{ ...RESOURCE, lowerDevice: 'tun0' }] }), 'ip tuntap add mode tun name tun0'],
    /^error {4}lower device tun0: does not carry Ethernet frames, /m,
  ],
  [
    'an uplink in mode passthru',
    [withPolicy({ resources: [{ ...RESOURCE, mode: 'passthru' }] }), 'ip addr add 192.0.2.1/24 dev uplink0'],
    /^error {4}lower device uplink0: it has address 192.0.2.1\/24, but in mode "passthru" a VM takes all of it, /m,
  ],
];
for (const [title, change, line] of CASES) {
  test(`reports ${title}`, async () => {
    const { stdout, stderr } = await doctor(FEW, withLower(), POLICY, ...change);
    assert.match(stdout, line, stderr);
  });
}

test.run();
