/** containerd runs the agent with the component macvtap, as kubelet does with its manifests. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { callPlugin } from '../helpers/cluster/containerd/call-plugin.ts';
import { BRIDGE } from '../helpers/cluster/containerd/chain.ts';
import { runAgent, specWith, withImage } from '../helpers/cluster/containerd/daemonset.ts';
import { configureNetwork } from '../helpers/cluster/containerd/node.ts';
import { podConfig, removePod, runPod } from '../helpers/cluster/containerd/pods.ts';
import { processesOf } from '../helpers/cluster/containerd/processes.ts';

const test = suite('the component macvtap in containerd');

/** CHOWN, FOWNER, NET_ADMIN, SYS_ADMIN and MKNOD, numbered as in capabilities(7). */
const CAPABILITIES = [0n, 3n, 12n, 21n, 27n]
  .reduce((mask, number) => mask | (1n << number), 0n)
  .toString(16)
  .padStart(16, '0');

test('the agent has exactly the rights of the component, and they suffice for the device node of a macvtap', () =>
  withImage(async (node) => {
    const kubelet = `${node.root}/var/lib/kubelet`;
    for (const name of ['device-plugins', 'pod-resources'])
      mkdirSync(`${kubelet}/${name}`, { recursive: true });
    mkdirSync(`${node.root}/etc/tapwire`, { recursive: true });
    const policy = { macvtap: { masters: [{ lowerDevice: 'uplink0' }] } };
    writeFileSync(`${node.root}/etc/tapwire/node.json`, JSON.stringify(policy), { mode: 0o644 });
    await node.netns.ip('link add uplink0 type veth peer name far0');
    for (const link of ['uplink0', 'far0']) await node.netns.ip(`link set ${link} up`);

    const { pod: agentPod, agent } = await runAgent(node, specWith('macvtap'));
    const { pid } = await node.cri.containerStatus(agent.id);
    const outer = processesOf(node.init).find(({ inner }) => inner === pid)?.pid;
    const status = readFileSync(`/proc/${outer}/status`, 'utf8');
    for (const set of ['CapEff', 'CapPrm', 'CapBnd'])
      assert.match(status, new RegExp(`^${set}:\\t${CAPABILITIES}$`, 'm'));
    const mounts = readFileSync(`/proc/${outer}/mountinfo`, 'utf8').split('\n');
    const optionsOf = (point: string) =>
      mounts.map((line) => line.split(' ')).find((mount) => mount[4] === point)?.[5] ?? '';
    assert.match(optionsOf('/'), /^ro,/);
    assert.match(optionsOf('/var/lib/kubelet/device-plugins'), /^rw,/);
    assert.match(optionsOf('/var/lib/kubelet/pod-resources'), /^ro,/);
    assert.match(optionsOf('/host/dev'), /^rw,/);

    await configureNetwork(node, '1.0.0', [BRIDGE]);
    const pod = await runPod(node, podConfig(node) as Record<string, unknown>);
    const attachment = { ifname: 'pod1', conf: { binding: 'macvtap', master: 'uplink0' } };
    const added = await callPlugin(node, 'ADD', pod, attachment);
    assert.is(added.exitCode, 0, added.stdout);
    const links = JSON.parse(await pod.netns.ip('-json link show pod1'));
    const device = `/dev/tap${links[0].ifindex}`;
    const { uid, gid, mode } = statSync(device);
    assert.equal([uid, gid, mode & 0o7777], [107, 107, 0o600]);
    assert.match(agent.log(), '"message":"ADD"');

    const deleted = await callPlugin(node, 'DEL', pod, attachment);
    assert.is(deleted.exitCode, 0, deleted.stdout);
    assert.not.ok(existsSync(device));
    await removePod(node, pod);
    await agentPod.end();
  }));

test.run();
