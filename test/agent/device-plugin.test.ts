/** The device plugin: what kubelet sees of it, whatever happens to kubelet, links and policy. */
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceIdsOf, readDeviceId } from '../../shared/kubelet/device-id.ts';
import { isStopped, until, within } from '../helpers/agent/agent-node.ts';
import {
  addLower,
  isHealthy,
  isUnhealthy,
  known,
  LAN,
  LAN_NAME,
  messagesWith,
  metricsIn,
  withDeviceNode,
  withDevices,
} from '../helpers/agent/device-node.ts';
import type { Allocation } from '../helpers/cluster/kubelet.ts';

const test = suite('the device plugin');

const IDS = deviceIdsOf('lan', 4);
const pod = (name: string) => ({ namespace: 'vms', name });
const LAN_SOCKET = 'device-plugins/tapwire.io_lan.sock';

test('kubelet gets the devices of a resource, and their device nodes', () =>
  withDevices([LAN], async ({ kubelet, kubeletDirectory, agent, netns }) => {
    assert.equal(kubelet.registrations, [
      {
        version: 'v1beta1',
        endpoint: 'tapwire.io_lan.sock',
        resourceName: LAN_NAME,
        options: { preStartRequired: false, getPreferredAllocationAvailable: true },
      },
    ]);
    const { healthy, unhealthy } = await known(kubelet, LAN_NAME, isHealthy);
    assert.equal([[...healthy], [...unhealthy]], [IDS, []]);
    assert.is(lstatSync(join(kubeletDirectory, LAN_SOCKET)).mode & 0o7777, 0o600);
    assert.equal(
      readdirSync(join(kubeletDirectory, 'device-plugins')).sort(),
      ['kubelet.sock', 'kubelet_internal_checkpoint', 'tapwire.io_lan.sock'],
      'no temporary file is left',
    );

    const { ids, devices } = await kubelet.allocate(pod('vm1'), LAN_NAME);
    assert.equal(ids, [IDS[0]], 'the lowest index');
    const path = `/dev/tap${readDeviceId(IDS[0] ?? '')?.ifindex}`;
    assert.equal(devices, [{ containerPath: path, hostPath: path, permissions: 'rw' }]);
    assert.equal((await kubelet.allocate(pod('vm2'), LAN_NAME, 2)).ids, [IDS[1], IDS[2]]);
    const metrics = await metricsIn(netns, agent);
    const devicesOf = (health: string) => metrics.value('tapwire_devices', { resource: LAN_NAME, health });
    assert.equal([devicesOf('healthy'), devicesOf('unhealthy')], [4, 0]);
    assert.is(metrics.value('tapwire_device_allocations_total', { resource: LAN_NAME }), 3);
    assert.equal(
      await kubelet.allocate(pod('vm1'), LAN_NAME),
      { pod: pod('vm1'), container: 'compute', resource: LAN_NAME, ids, devices },
      'kubelet replays the reply',
    );
    assert.is((await metricsIn(netns, agent)).value('tapwire_device_allocations_total'), 3);
  }));

test('a resource with a domain of its own keeps its name', () =>
  withDevices([], async ({ kubelet, offer, agent }) => {
    const name = 'macvtap.network.kubevirt.io/dataplane';
    offer({ name, lowerDevice: 'eth1', capacity: 1 });
    const { healthy } = await known(kubelet, name, isHealthy);
    assert.equal([...healthy], deviceIdsOf(name, 1));
    assert.is(kubelet.registrations[0]?.endpoint, 'macvtap.network.kubevirt.io_dataplane.sock');
    agent.accept();
  }));

test('the health of the devices follows the lower device', () =>
  withDevices([LAN], async ({ kubelet, netns, agent }) => {
    const becomes = (isSo: typeof isHealthy) => known(kubelet, LAN_NAME, isSo);
    await becomes(isHealthy);
    for (const [command, reason] of [
      ['link set peer1 down', '"eth1" has no carrier'],
      ['link set peer1 up', null],
      ['link set eth1 down', '"eth1" is down'],
      ['link set eth1 up', null],
      ['link set eth1 name eth9', 'this node has no link "eth1"'],
      ['link set eth9 name eth1', null],
      ['link del eth1', 'this node has no link "eth1"'],
    ] as const) {
      await netns.ip(command);
      const { healthy, unhealthy } = await becomes(reason === null ? isHealthy : isUnhealthy);
      assert.equal([...healthy, ...unhealthy], IDS, `${command}: all devices stay in the list`);
      const text = `Devices of "${LAN_NAME}" are ${reason === null ? 'healthy again' : `unhealthy: ${reason}`}`;
      await until(text, () => messagesWith(agent, text).length > 0);
    }
    const metrics = await metricsIn(netns, agent);
    assert.is(metrics.value('tapwire_devices', { resource: LAN_NAME, health: 'unhealthy' }), 4);
    await assertRejects(kubelet.allocate(pod('vm1'), LAN_NAME), /no healthy devices present/);
    await addLower(netns);
    await becomes(isHealthy);
    // The kernel refuses a macvtap on a port of a bridge.
    await netns.ip('link add br0 type bridge');
    await netns.ip('link set eth1 master br0');
    await becomes(isUnhealthy);
    await assertRejects(netns.ip('link add link eth1 name mv0 type macvtap mode bridge'), /busy/);
    await netns.ip('link del br0');
    await becomes(isHealthy);
    assert.is(kubelet.registrations.length, 1, 'one registration for all of it');
  }));

test('an agent that has lost events of the kernel reads the devices again', () =>
  withDevices([LAN], async ({ kubelet, netns, agent }) => {
    agent.kill('SIGSTOP');
    await until('the agent is stopped', () => isStopped(agent));
    // More events than the socket's buffer holds: that of eth1 is lost.
    const mtus = Array.from({ length: 600 }, (_, i) => `link set peer1 mtu ${1300 + (i % 100)}`);
    await execa('ip', ['-n', netns.name, '-batch', '-'], { input: mtus.join('\n') });
    await netns.ip('link set eth1 down');
    agent.kill('SIGCONT');
    await known(kubelet, LAN_NAME, isUnhealthy);
  }));

test('a lower device that one VM takes is unhealthy while the node uses it', () =>
  withDevices(
    [{ name: 'whole', lowerDevice: 'eth1', mode: 'passthru' }],
    async ({ kubelet, netns, agent }) => {
      const name = 'tapwire.io/whole';
      const becomes = (isSo: typeof isHealthy) => known(kubelet, name, isSo);
      assert.is((await becomes(isHealthy)).healthy.size, 1, 'one device');
      for (const [use, end] of [
        ['addr add 192.0.2.7/24 dev eth1', 'addr del 192.0.2.7/24 dev eth1'],
        ['route add default dev eth1', 'route del default dev eth1'],
        ['addr add 2001:db8::7/64 dev eth1', 'addr del 2001:db8::7/64 dev eth1'],
      ] as const) {
        await netns.ip(use);
        await becomes(isUnhealthy);
        await netns.ip(end);
        await becomes(isHealthy);
      }
      await netns.ip('link add br0 type bridge');
      await netns.ip('link set eth1 master br0');
      await becomes(isUnhealthy);
      assert.match(messagesWith(agent, 'it belongs to a bridge or bond')[0] ?? '', /mode "passthru"/);
      await netns.ip('link set eth1 nomaster');
      await becomes(isHealthy);
    },
  ));

test('an agent that starts before kubelet registers when kubelet starts, even if nothing of it exists', () =>
  withDeviceNode(async ({ offer, startHere, startKubelet, kubeletDirectory }) => {
    offer(LAN);
    const agent = await startHere();
    await until('it says what is missing', () => messagesWith(agent, 'there is no').length === 1);
    assert.match(
      messagesWith(agent, 'there is no')[0] ?? '',
      `Cannot serve "${LAN_NAME}": there is no "${kubeletDirectory}/device-plugins"`,
    );
    mkdirSync(join(kubeletDirectory, 'device-plugins'), { recursive: true });
    await until('it serves', () => existsSync(join(kubeletDirectory, LAN_SOCKET)));
    await until('it says so', () => messagesWith(agent, 'kubelet.sock"').length === 1);
    const kubelet = await startKubelet();
    await known(kubelet, LAN_NAME, isHealthy);
    rmSync(kubeletDirectory, { recursive: true });
    await kubelet.stop();
    await kubelet.start();
    await known(kubelet, LAN_NAME, isHealthy);
    agent.accept();
    await agent.stop();
    assert.is(existsSync(join(kubeletDirectory, LAN_SOCKET)), false, 'the agent deletes its socket');
  }));

test('the resource is offered again after each restart of kubelet, and allocations are replayed', () =>
  withDevices([LAN], async ({ kubelet, kubeletDirectory, agent }) => {
    const first = await kubelet.allocate(pod('vm1'), LAN_NAME);
    const foreign = join(kubeletDirectory, 'device-plugins/foreign.sock');
    for (let restart = 0; restart < 5; restart++) {
      writeFileSync(foreign, '');
      await kubelet.stop();
      await kubelet.start();
      assert.is(existsSync(foreign), false);
      await known(kubelet, LAN_NAME, isHealthy);
      assert.equal(await kubelet.allocate(pod('vm1'), LAN_NAME), first);
    }
    assert.is((await kubelet.allocate(pod('vm2'), LAN_NAME)).ids[0], IDS[1]);
    assert.equal(
      messagesWith(agent, 'Cannot').filter((text) => !/accepts no connections|there is no/.test(text)),
      [],
    );
  }));

test('a socket that is deleted comes back, and kubelet keeps its stream', () =>
  withDevices([LAN], async ({ kubelet, kubeletDirectory, netns }) => {
    const path = join(kubeletDirectory, LAN_SOCKET);
    for (let i = 0; i < 3; i++) {
      unlinkSync(path);
      await until('the socket is there', () => existsSync(path));
    }
    await netns.ip('link set eth1 down');
    await known(kubelet, LAN_NAME, isUnhealthy);
    await netns.ip('link set eth1 up');
    await known(kubelet, LAN_NAME, isHealthy);
    assert.is(kubelet.registrations.length, 1);
    await kubelet.stop();
    await kubelet.start();
    await known(kubelet, LAN_NAME, isHealthy);
  }));

test('the agent registers again if kubelet drops the connection', () =>
  withDevices([LAN], async ({ kubelet }) => {
    for (let drops = 1; drops <= 3; drops++) {
      kubelet.drop(LAN_NAME);
      await until('the agent registers', () => kubelet.registrations.length === 1 + drops);
      await known(kubelet, LAN_NAME, isHealthy);
    }
  }));

test("a registration that kubelet refuses is logged once with kubelet's words, and repeated until it succeeds", () =>
  withDeviceNode(async ({ offer, startHere, startKubelet }) => {
    offer(LAN);
    const kubelet = await startKubelet();
    kubelet.faults.register = 'the moon is full';
    const agent = await startHere();
    await until('it tries again', () => kubelet.registrations.length >= 4);
    const refused = messagesWith(agent, 'the moon is full');
    assert.equal(refused, [
      `Cannot register "${LAN_NAME}" with kubelet at "${kubelet.socket}": the moon is full; look at kubelet's log`,
    ]);
    kubelet.faults.register = null;
    await known(kubelet, LAN_NAME, isHealthy);
    agent.accept();
    await agent.stop();
  }));

test('a kubelet that does not reply to Register delays nothing else, and not the end of the agent', () =>
  withDeviceNode(async ({ offer, startHere, startKubelet, netns }) => {
    offer(LAN);
    const kubelet = await startKubelet();
    kubelet.faults.register = 'hang';
    const agent = await startHere();
    await until('it registers', () => kubelet.registrations.length > 0);
    assert.is((await metricsIn(netns, agent)).value('tapwire_devices', { health: 'healthy' }), 4);
    agent.accept();
    await within('the end of the agent', agent.stop());

    const second = await startHere();
    await until('it registers', () => kubelet.registrations.length > 1);
    kubelet.faults.register = null;
    await kubelet.stop();
    await kubelet.start();
    await known(kubelet, LAN_NAME, isHealthy);
    second.accept();
    await second.stop();
  }));

test('the agent registers again if kubelet does not ask for the devices', () =>
  withDeviceNode(async ({ offer, startHere, startKubelet }) => {
    offer(LAN);
    const kubelet = await startKubelet();
    kubelet.faults.unwatched = true;
    const agent = await startHere();
    await until('it registers again', () => kubelet.registrations.length === 2);
    assert.equal(messagesWith(agent, 'Cannot'), [
      `Cannot offer "${LAN_NAME}": kubelet does not ask for the devices; look at its log`,
    ]);
    kubelet.faults.unwatched = false;
    await known(kubelet, LAN_NAME, isHealthy);
    agent.accept();
    await agent.stop();
  }));

test('changes of the node policy file take effect without a restart', () =>
  withDeviceNode(async ({ offer, writePolicy, startHere, startKubelet, netns, kubeletDirectory }) => {
    const kubelet = await startKubelet();
    const agent = await startHere();
    assert.equal(readdirSync(join(kubeletDirectory, 'device-plugins')), ['kubelet.sock']);
    offer(LAN);
    await known(kubelet, LAN_NAME, isHealthy);
    const given = await kubelet.allocate(pod('vm1'), LAN_NAME);

    await addLower(netns, 'eth2', 'peer2');
    const wan = { name: 'wan', lowerDevice: 'eth2', capacity: 2 };
    offer(wan, { ...LAN, capacity: 8 });
    await known(kubelet, 'tapwire.io/wan', isHealthy);
    const { healthy } = await known(kubelet, LAN_NAME, ({ healthy }) => healthy.size === 8);
    assert.equal([...healthy].slice(0, 4), IDS);
    assert.equal(await kubelet.allocate(pod('vm1'), LAN_NAME), given);
    assert.is(kubelet.registrations.length, 2, 'another capacity needs no registration');

    await netns.ip('link set eth2 down');
    await known(kubelet, 'tapwire.io/wan', isUnhealthy);
    offer(wan, { ...LAN, lowerDevice: 'eth2' });
    await known(kubelet, LAN_NAME, isUnhealthy);
    offer({ ...LAN, capacity: 2 });
    await known(kubelet, LAN_NAME, ({ healthy }) => healthy.size === 2);
    await known(kubelet, 'tapwire.io/wan', ({ isStopped }) => isStopped);
    assert.is(existsSync(join(kubeletDirectory, 'device-plugins/tapwire.io_wan.sock')), false);
    kubelet.expire();
    assert.is(kubelet.resource('tapwire.io/wan'), undefined);

    writePolicy('{"macvtap": {"resources": [{"name": "lan"}]}}');
    await until('it is logged', () => messagesWith(agent, 'Cannot offer devices').length > 0);
    writePolicy('{"macvtap": {"resources": [{"name": "lan"}]} }');
    await netns.ip('link set eth1 down');
    await known(kubelet, LAN_NAME, isUnhealthy);
    await netns.ip('link set eth1 up');
    await known(kubelet, LAN_NAME, ({ healthy }) => healthy.size === 2);
    assert.is(messagesWith(agent, 'Cannot offer devices').length, 1, 'once');
    assert.match(
      messagesWith(agent, 'Cannot offer devices')[0] ?? '',
      /\$\.macvtap\.resources\[0\].*earlier/,
    );

    offer(wan);
    await netns.ip('link set eth2 up');
    await known(kubelet, 'tapwire.io/wan', isHealthy);
    await known(kubelet, LAN_NAME, ({ isStopped }) => isStopped);
    writePolicy('{}');
    await known(kubelet, 'tapwire.io/wan', ({ isStopped }) => isStopped);
    assert.is((await metricsIn(netns, agent)).value('tapwire_devices'), 0);
    offer(LAN);
    await known(kubelet, LAN_NAME, isHealthy);
    agent.accept();
    await agent.stop();
  }));

test('an agent whose last resource was removed keeps no socket of it', () =>
  withDeviceNode(async ({ offer, startHere, startKubelet }) => {
    const kubelet = await startKubelet();
    const agent = await startHere();
    offer(LAN);
    await known(kubelet, LAN_NAME, isHealthy);
    offer();
    await known(kubelet, LAN_NAME, ({ isStopped }) => isStopped);
    await agent.stop();
  }));

test('a second agent takes over, and the first one takes its place again when the second has ended', () =>
  withDevices([LAN], async ({ kubelet, agent, startHere, netns }) => {
    const second = await startHere();
    await until('it registers', () => kubelet.registrations.length === 2);
    await known(kubelet, LAN_NAME, isHealthy);
    const replaced = () => messagesWith(agent, 'stop all agents on this node and start one');
    await until('the first one says so', () => replaced().some((text) => text.includes(LAN_NAME)));
    await netns.ip('link set eth1 down');
    await known(kubelet, LAN_NAME, isUnhealthy);
    await netns.ip('link set eth1 up');
    second.accept();
    await second.stop();
    await known(kubelet, LAN_NAME, isHealthy);
    await until('the first one registers', () => kubelet.registrations.length > 2);
    await known(kubelet, LAN_NAME, isHealthy);
    assert.is((await kubelet.allocate(pod('vm1'), LAN_NAME)).ids[0], IDS[0]);
    assert.is(replaced().filter((text) => text.includes(LAN_NAME)).length, 1);
  }));

test('a file that is not a socket in place of the socket is left alone, and others are served', () =>
  withDeviceNode(async ({ offer, startHere, startKubelet, kubeletDirectory }) => {
    offer(LAN, { name: 'wan', lowerDevice: 'eth1' });
    const kubelet = await startKubelet();
    const path = join(kubeletDirectory, LAN_SOCKET);
    writeFileSync(path, 'kept');
    const agent = await startHere();
    await known(kubelet, 'tapwire.io/wan', isHealthy);
    assert.is(lstatSync(path).size, 4);
    await until('it is logged', () => messagesWith(agent, 'is not a socket; delete it').length > 0);
    unlinkSync(path);
    await known(kubelet, LAN_NAME, isHealthy);
    agent.accept();
    await agent.stop();
  }));

test('of 1,000 allocations over restarts and changes of the policy, no two live ones share an id or an index', () =>
  withDeviceNode(async ({ offer, startHere, startKubelet }) => {
    const kubelet = await startKubelet();
    const names = ['lan', 'wan', 'dmz'];
    const live = new Map<string, Allocation>();
    const indexOf = (id: string): number => readDeviceId(id)?.ifindex ?? Number.NaN;
    let agent = await startHere();
    for (let round = 0; round < 20; round++) {
      const offered = names.filter((_, i) => i === 0 || (round + i) % 3 !== 0);
      const resources = offered.map((name) => ({
        name,
        lowerDevice: 'eth1',
        capacity: 60 + (round % 5) * 20,
      }));
      offer(...(round % 2 === 0 ? resources : resources.toReversed()));
      if (round % 4 === 3) {
        await kubelet.stop();
        await kubelet.start();
      }
      if (round % 7 === 6) {
        agent.accept();
        await agent.stop();
        agent = await startHere();
      }
      for (const { name, capacity } of resources)
        await known(kubelet, `tapwire.io/${name}`, (one) => isHealthy(one) && one.healthy.size === capacity);
      for (const allocation of [...live.values()].filter(({ resource }) => isIn(resource, offered)))
        assert.equal(await kubelet.allocate(allocation.pod, allocation.resource), allocation, 'replayed');
      for (let i = 0; i < 50; i++) {
        const name = `vm-${round}-${i}`;
        live.set(name, await kubelet.allocate(pod(name), `tapwire.io/${offered[i % offered.length]}`));
      }
      const ids = [...live.values()].flatMap((one) => one.ids);
      assert.is(new Set(ids).size, ids.length, `round ${round}: ids`);
      assert.is(new Set(ids.map(indexOf)).size, ids.length, `round ${round}: indexes`);
      for (const { ids, devices } of live.values())
        assert.equal(
          devices.map(({ hostPath }) => hostPath),
          ids.map((id) => `/dev/tap${indexOf(id)}`),
        );
      // Most VMs end. The others have the first indexes, which every capacity includes.
      for (const [i, name] of [...live.keys()].entries()) {
        if (i % 10 === 0 && live.size > 5) continue;
        live.delete(name);
        kubelet.forget(pod(name));
      }
    }
    agent.accept();
    await agent.stop();
  }));

const isIn = (resource: string, names: readonly string[]): boolean =>
  names.includes(resource.replace('tapwire.io/', ''));

async function assertRejects(task: Promise<unknown>, reason: RegExp): Promise<void> {
  const error = await task.then(
    () => null,
    (thrown: Error) => thrown,
  );
  assert.match(error?.message ?? 'it succeeds', reason);
}

test.run();
