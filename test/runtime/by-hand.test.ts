/**
 * Runs the commands of docs/by-hand.md as they stand there, under a real systemd, which applies the
 * limits of the unit.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import tapwire from '../../package.json' with { type: 'json' };
import { NODE } from '../helpers/agent/agent.ts';
import { until } from '../helpers/cluster/containerd/until.ts';
import { treeOf } from '../helpers/cluster/install.ts';
import { kustomize, type Resource } from '../helpers/cluster/kustomize.ts';
import { type SystemdNode, withSystemd, writeDropIn } from '../helpers/cluster/systemd-node.ts';
import { withDirectory } from '../helpers/plugin/shim.ts';

const test = suite('Tapwire by hand');

const ROOT = resolve(import.meta.dirname, '../..');
const UNIT = 'tapwire-agent.service';
const [OLD, NEW] = [tapwire.version, '0.2.0'];

const page = readFileSync(join(ROOT, 'docs/by-hand.md'), 'utf8');
const unitFile = readFileSync(join(ROOT, 'daemonset', UNIT), 'utf8');

/** The commands of the first block in a section of the page. */
function commandsOf(section: string): string {
  const [, body = ''] = page.split(`\n## ${section}\n`);
  const [, commands = ''] = /```sh\n(.*?)```/s.exec(body.split('\n## ')[0] ?? '') ?? [];
  assert.not.equal(commands, '', `docs/by-hand.md has commands in "${section}"`);
  return commands;
}

/** Packs this build, and changes the plugin's code if it stands for another version. */
async function pack(folder: string, version: string): Promise<string> {
  const place = join(folder, version);
  mkdirSync(join(place, 'dist/image'), { recursive: true });
  cpSync(join(ROOT, 'dist/image/root'), join(place, 'dist/image/root'), {
    recursive: true,
    verbatimSymlinks: true,
  });
  symlinkSync(join(ROOT, 'daemonset'), join(place, 'daemonset'));
  if (version !== OLD) {
    const code = join(place, 'dist/image/root/app/cni/.tapwire/index.js');
    await execa('sh', ['-c', 'echo "// another version" >>"$1"', 'sh', code]);
  }
  const [build = '', ...commands] = commandsOf('Pack').replaceAll(OLD, version).split('\n');
  assert.is(build, 'npm ci && npm run build && npm run image', 'the tests run after this');
  await execa('sh', ['-euc', commands.join('\n')], { cwd: place });
  return join(place, `tapwire-${version}.tar`);
}

/** Response of the agent's health server; null without one. */
async function health(node: SystemdNode, path: string): Promise<{ status: number; text: string } | null> {
  const script = `fetch('http://127.0.0.1:9746${path}')
    .then(async (response) => ({ status: response.status, text: await response.text() }), () => null)
    .then((answer) => console.log(JSON.stringify(answer)));`;
  const [file = '', ...args] = [...node.inNetwork, NODE, '--eval', script];
  return JSON.parse((await execa(file, args)).stdout);
}

const isReady = async (node: SystemdNode) => (await health(node, '/readyz'))?.status === 200;
const untilReady = (node: SystemdNode) =>
  until(
    'the agent is ready',
    () => isReady(node),
    () => '',
  );

/** The main process of the unit, as the node sees its pid. */
const pidOf = async ({ sh }: SystemdNode) => Number(await sh(`systemctl show -P MainPID ${UNIT}`));

/** Calls the installed plugin for a pod with the link eth0. Fails if the plugin does. */
const call = ({ sh }: SystemdNode, command: string, pod: string, keys: object = {}, ifname = 'net1') =>
  sh(`
    export CNI_COMMAND=${command} CNI_CONTAINERID=${pod} CNI_NETNS=/run/netns/${pod}
    export CNI_IFNAME=${ifname} CNI_PATH=/opt/cni/bin
    echo '${JSON.stringify({
      ...{ cniVersion: '1.0.0', name: 'try', type: 'tapwire' },
      args: { cni: { logicNetworkName: 'default' } },
      ...keys,
    })}' | /opt/cni/bin/tapwire`);

const addPod = ({ sh }: SystemdNode, pod: string) =>
  sh(`ip netns add ${pod}
    ip link add eth0 netns ${pod} type veth peer name ${pod}
    ip -n ${pod} link set eth0 up`);

/** Calls that the running agent has served. */
async function servedBy(node: SystemdNode): Promise<number> {
  const { text } = (await health(node, '/metrics')) ?? { text: '' };
  const counts = [...text.matchAll(/^tapwire_cni_requests_total\{.*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

const withInstalled = (act: (node: SystemdNode, folder: string) => Promise<void>) =>
  withDirectory((folder) =>
    withSystemd(async (node) => {
      cpSync(await pack(folder, OLD), `${node.root}/root/tapwire-${OLD}.tar`);
      await act(node, folder);
    }),
  );

/** Numbers of capabilities(7). */
const CAPABILITIES = { CHOWN: 0n, FOWNER: 3n, NET_ADMIN: 12n, SYS_ADMIN: 21n, MKNOD: 27n };
const maskOf = (...names: readonly (keyof typeof CAPABILITIES)[]) =>
  names
    .reduce((mask, name) => mask | (1n << CAPABILITIES[name]), 0n)
    .toString(16)
    .padStart(16, '0');

test('the agent wires pods within the limits of the unit, and its socket survives it', () =>
  withInstalled(async (node) => {
    await node.sh(commandsOf('Install'));
    await untilReady(node);

    const status = readFileSync(`${node.root}/proc/${await pidOf(node)}/status`, 'utf8');
    for (const set of ['CapPrm', 'CapEff', 'CapBnd'])
      assert.match(status, new RegExp(`^${set}:\t${maskOf('NET_ADMIN', 'SYS_ADMIN')}$`, 'm'));
    assert.match(status, /^Seccomp:\t2$/m);

    for (const pod of ['one', 'two']) await addPod(node, pod);
    await call(node, 'ADD', 'one');
    assert.match(await node.sh('ip -n one link show tap0'), 'tap0');
    await call(node, 'ADD', 'two', { binding: 'passt' });
    const sysctl = 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start';
    assert.is(await node.sh(`ip netns exec two ${sysctl}`), '0');
    assert.is(await servedBy(node), 2, 'the agent has served both calls');

    await node.sh(`systemctl stop ${UNIT}`);
    assert.is(await node.sh('stat -c "%F %a" /run/tapwire/agent.sock'), 'socket 600');
    await call(node, 'DEL', 'one');
    assert.not.match(await node.sh('ip -n one link'), 'tap0');
    await node.sh(`systemctl start ${UNIT}`);
    await untilReady(node);
    await call(node, 'DEL', 'two', { binding: 'passt' });
    assert.is(await servedBy(node), 1);
  }));

test('with the drop-in for macvtap, the agent makes a device node, and has no other rights', () =>
  withInstalled(async (node) => {
    await node.sh(commandsOf('Install'));
    await node.sh(`ip link add uplink0 type veth peer name far0
      ip link set uplink0 up; ip link set far0 up
      echo '{"macvtap": {"masters": [{"lowerDevice": "uplink0"}]}}' >/opt/tapwire/node.json`);
    // The node's /etc is read-only.
    const [, program = ''] = /^ExecStart=(.*)$/m.exec(unitFile) ?? [];
    const start = `ExecStart=\nExecStart=${program} --node-file /opt/tapwire/node.json\n`;
    writeDropIn(node, UNIT, `[Service]\n${start}`);
    await node.sh(`systemctl daemon-reload; systemctl restart ${UNIT}`);
    await addPod(node, 'one');
    const keys = { binding: 'macvtap', master: 'uplink0', args: {} };
    const add = () => call(node, 'ADD', 'one', keys, 'pod1');
    await untilReady(node);
    const refused = await add().catch(({ stdout }) => String(stdout));
    assert.match(refused, 'Operation not permitted', 'without the drop-in');
    assert.not.match(await node.sh('ip -n one link'), 'pod1');

    await node.sh(commandsOf('macvtap'));
    await untilReady(node);
    const status = readFileSync(`${node.root}/proc/${await pidOf(node)}/status`, 'utf8');
    const mask = maskOf('CHOWN', 'FOWNER', 'NET_ADMIN', 'SYS_ADMIN', 'MKNOD');
    for (const set of ['CapPrm', 'CapEff', 'CapBnd'])
      assert.match(status, new RegExp(`^${set}:\t${mask}$`, 'm'));

    const [{ name }] = JSON.parse(await add()).interfaces;
    assert.is(name, 'pod1');
    const number = await node.sh('ip -n one -o link show pod1 | cut -d: -f1');
    // The node's /dev is not the kernel's, so ADD had to make the device node.
    const described = await node.sh(`stat -c "%F %u:%g %a" /dev/tap${number}`);
    assert.is(described, 'character special file 107:107 600');
    await call(node, 'DEL', 'one', keys, 'pod1');
    assert.is(await node.sh('ls /dev | grep tap || true'), '');
    assert.is(await servedBy(node), 2, 'the agent has served both calls');
  }));

test('the agent sees pods that start later, and keeps no netns of a pod that has ended', () =>
  withInstalled(async (node) => {
    await addPod(node, 'before');
    await node.sh(commandsOf('Install'));
    await untilReady(node);
    await addPod(node, 'after');
    for (const pod of ['before', 'after']) {
      await call(node, 'ADD', pod);
      const seen = `/proc/${await pidOf(node)}/root/run/netns/${pod}`;
      assert.is(await node.sh(`stat -f -c %T ${seen}`), 'nsfs');
      await node.sh(`ip netns del ${pod}`);
      // The kernel deletes the veth with the netns in which its other end is.
      const isGone = async () => !(await node.sh('ip -br link')).includes(pod);
      await until(`the netns ${pod} is free`, isGone, () => '');
    }
  }));

test('upgrade, downgrade and uninstall change the version that serves, and leave nothing', () =>
  withInstalled(async (node, folder) => {
    const trees = () =>
      ['/opt', '/etc/systemd/system', '/run/tapwire'].map((path) => treeOf(node.root + path));
    const empty = trees();
    const fallback = () => node.sh('readlink /opt/cni/bin/.tapwire');
    await node.sh(commandsOf('Install'));
    await untilReady(node);
    const [first, agent] = [await fallback(), await pidOf(node)];

    cpSync(await pack(folder, NEW), `${node.root}/root/tapwire-${NEW}.tar`);
    await node.sh(commandsOf('Upgrade'));
    await untilReady(node);
    assert.not.equal(await fallback(), first);
    assert.not.equal(await pidOf(node), agent);
    assert.is(await node.sh(`readlink /proc/${await pidOf(node)}/exe`), programOf(NEW));

    await node.sh(commandsOf('Downgrade'));
    await untilReady(node);
    assert.is(await fallback(), first, 'the files of the old version are used again');
    assert.is(await node.sh(`readlink /proc/${await pidOf(node)}/exe`), programOf(OLD));

    await node.sh(commandsOf('Uninstall'));
    assert.is(await node.sh(`systemctl is-active ${UNIT} || true`), 'inactive');
    await node.sh('rmdir /opt/cni/bin /opt/cni; rmdir /etc/systemd/system/multi-user.target.wants || true');
    assert.equal(trees(), empty);
  }));

const programOf = (version: string) => `/opt/tapwire/${version}/cni/.tapwire/node`;

/** Settings that the page warns of. */
const TRAPS = ['MemoryDenyWriteExecute', 'PrivateDevices', 'RestrictNamespaces'];

test('the agent does not get ready with the settings that the page warns of', () =>
  withInstalled(async (node) => {
    await node.sh(commandsOf('Install'));
    await untilReady(node);
    for (const trap of TRAPS) {
      assert.match(page, `\`${trap}=yes\``);
      writeDropIn(node, UNIT, `[Service]\n${trap}=yes\n`);
      await node.sh(`systemctl daemon-reload; systemctl restart ${UNIT} || true`);
      let answer: Awaited<ReturnType<typeof health>> = null;
      const hasFailed = async () => {
        answer = await health(node, '/readyz');
        if (answer?.text.includes('is starting')) return false;
        return answer !== null || Number(await node.sh(`systemctl show -P NRestarts ${UNIT}`)) > 0;
      };
      await until(`the agent has failed with ${trap}`, hasFailed, () => '');
      assert.is.not((answer as { status: number } | null)?.status, 200, trap);
    }
  }));

test('systemd finds no mistake in the unit', () =>
  withInstalled(async (node) => {
    await node.sh(commandsOf('Install'));
    const verified = await node.sh(`systemd-analyze verify /etc/systemd/system/${UNIT} 2>&1`);
    assert.is(verified, '');
  }));

test('the unit and the DaemonSet give the agent the same rights', () => {
  const daemonSet = parse(readFileSync(join(ROOT, 'daemonset/manifests/base/daemonset.yaml'), 'utf8'));
  const [{ securityContext, resources, volumeMounts }] = daemonSet.spec.template.spec.containers;
  const settings = new Map(
    [...unitFile.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
  const capabilities = securityContext.capabilities.add.map((name: string) => `CAP_${name}`);
  assert.equal(settings.get('CapabilityBoundingSet')?.split(' '), capabilities);
  assert.is(settings.get('MemoryMax'), resources.limits.memory.replace('Mi', 'M'));
  const mounts = volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath);
  assert.ok(mounts.includes(`/run/${settings.get('RuntimeDirectory')}`));
  assert.is(settings.get('DeviceAllow'), `${mounts.find((path: string) => path.startsWith('/dev'))} rw`);
  assert.is(
    Number(settings.get('TimeoutStopSec')),
    daemonSet.spec.template.spec.terminationGracePeriodSeconds,
  );
  assert.ok(existsSync(join(ROOT, 'dist/image/root/app/node')), 'the programs of the unit are in the image');
});

interface Mount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

test('the drop-in gives the agent the rights of the component macvtap', () => {
  const agentOf = (objects: readonly Resource[]): Resource =>
    objects.find(({ kind }) => kind === 'DaemonSet').spec.template.spec.containers[0];
  const base = kustomize(join(ROOT, 'daemonset/manifests/base'));
  const [before, after] = [
    agentOf(base),
    agentOf(kustomize(join(ROOT, 'daemonset/manifests/macvtap'), base)),
  ];
  const rightsOf = ({ securityContext }: Resource): readonly string[] => securityContext.capabilities.add;
  const added = rightsOf(after).slice(rightsOf(before).length);
  const dropIn = commandsOf('macvtap');
  assert.match(dropIn, `\nCapabilityBoundingSet=${added.map((name) => `CAP_${name}`).join(' ')}\n`);
  const mounts: readonly Mount[] = after.volumeMounts.slice(before.volumeMounts.length);
  const writable = mounts.filter(({ readOnly, name }) => readOnly !== true && name !== 'dev');
  assert.match(dropIn, `\nReadWritePaths=${writable.map(({ mountPath }) => `-${mountPath}`).join(' ')}\n`);
});

test.run();
