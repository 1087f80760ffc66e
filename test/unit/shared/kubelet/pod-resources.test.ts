/** The client of kubelet's pod resources API, against the stand-in for kubelet. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BindingError } from '../../../../shared/errors.ts';
import { newDevicesOf } from '../../../../shared/kubelet/pod-resources.ts';
import { caught } from '../../../helpers/caught.ts';
import { type Kubelet, startKubelet } from '../../../helpers/cluster/kubelet.ts';
import { withDirectory } from '../../../helpers/plugin/shim.ts';

const test = suite('the devices of a pod');

const LAN = 'tapwire.io/lan';
const VM1 = { namespace: 'vms', name: 'vm1' };
const MIB = 1024 * 1024;

const withKubelet = <T>(act: (kubelet: Kubelet) => Promise<T>): Promise<T> =>
  withDirectory(async (directory) => {
    const kubelet = await startKubelet(directory);
    try {
      return await act(kubelet);
    } finally {
      await kubelet.stop();
    }
  });

test('are those of the pod of that name in that namespace, of all its containers', () =>
  withKubelet(async (kubelet) => {
    kubelet.give('vms', 'vm1', LAN, ['lan-1', 'lan-2']);
    kubelet.give('vms', 'vm1', 'example.test/dev', ['dev-1']);
    kubelet.give('vms', 'vm2', LAN, ['lan-3']);
    kubelet.give('other', 'vm1', LAN, ['lan-4']);
    const devicesOf = newDevicesOf();
    assert.equal(await devicesOf(VM1, kubelet.directory), [
      { resource: LAN, ids: ['lan-1'] },
      { resource: LAN, ids: ['lan-2'] },
      { resource: 'example.test/dev', ids: ['dev-1'] },
    ]);
    assert.equal(await devicesOf({ namespace: 'other', name: 'vm1' }, kubelet.directory), [
      { resource: LAN, ids: ['lan-4'] },
    ]);
    assert.equal(await devicesOf({ namespace: 'vms', name: 'vm9' }, kubelet.directory), []);
  }));

test('calls at the same time share lists, and none gets one that began before it', () =>
  withKubelet(async (kubelet) => {
    const devicesOf = newDevicesOf();
    const first = devicesOf(VM1, kubelet.directory);
    const others = Array.from({ length: 200 }, () => devicesOf(VM1, kubelet.directory));
    // The others begin after the first: their list has what was given meanwhile.
    kubelet.give('vms', 'vm1', LAN, ['lan-1']);
    await first;
    for (const devices of await Promise.all(others))
      assert.equal(devices, [{ resource: LAN, ids: ['lan-1'] }]);
    assert.is(kubelet.lists, 2);
    await devicesOf(VM1, kubelet.directory);
    assert.is(kubelet.lists, 3, 'a later call gets a new list');
  }));

test('a list that failed fails only the calls that shared it', () =>
  withKubelet(async (kubelet) => {
    const devicesOf = newDevicesOf();
    kubelet.give('vms', 'vm1', LAN, ['lan-1']);
    const failing = caught(() => devicesOf(VM1, '/nonexistent'));
    const next = devicesOf(VM1, kubelet.directory);
    await failing;
    assert.equal(await next, [{ resource: LAN, ids: ['lan-1'] }]);
  }));

test('calls of two kubelet directories do not share a list', () =>
  withKubelet((one) =>
    withKubelet(async (other) => {
      one.give('vms', 'vm1', LAN, ['lan-1']);
      other.give('vms', 'vm1', LAN, ['lan-2']);
      const devicesOf = newDevicesOf();
      const directories = [one, other, one, other, other].map(({ directory }) => directory);
      const found = await Promise.all(directories.map((directory) => devicesOf(VM1, directory)));
      assert.equal(
        found.map(([devices]) => devices?.ids[0]),
        ['lan-1', 'lan-2', 'lan-1', 'lan-2', 'lan-2'],
      );
    }),
  ));

test('a list that kubelet rejects because of too many requests is asked for again', () =>
  withKubelet(async (kubelet) => {
    kubelet.give('vms', 'vm1', LAN, ['lan-1']);
    kubelet.faults.exhausted = 3;
    assert.equal(await newDevicesOf()(VM1, kubelet.directory), [{ resource: LAN, ids: ['lan-1'] }]);
    assert.is(kubelet.lists, 4);
  }));

test('a list that kubelet keeps rejecting fails in the end', () =>
  withKubelet(async (kubelet) => {
    kubelet.faults.exhausted = Number.POSITIVE_INFINITY;
    const error = await caught(() => newDevicesOf()(VM1, kubelet.directory));
    assertFailure(error, kubelet, 'rejected by rate limit');
    assert.ok(kubelet.lists < 20, `${kubelet.lists} requests`);
  }));

test('without kubelet, the error names the socket and what to check; with it, the next call succeeds', () =>
  withKubelet(async (kubelet) => {
    kubelet.give('vms', 'vm1', LAN, ['lan-1']);
    const devicesOf = newDevicesOf();
    await kubelet.stop();
    for (let i = 0; i < 3; i++) {
      const error = await caught(() => devicesOf(VM1, kubelet.directory));
      assertFailure(error, kubelet, 'it accepts no connections');
    }
    await kubelet.start();
    assert.equal(await devicesOf(VM1, kubelet.directory), [{ resource: LAN, ids: ['lan-1'] }]);
    await kubelet.stop();
    await kubelet.start();
    assert.equal(await devicesOf(VM1, kubelet.directory), [{ resource: LAN, ids: ['lan-1'] }]);
  }));

test('a kubelet that does not reply fails the call after a timeout, and those that wait for it get a list of their own', () =>
  withKubelet(async (kubelet) => {
    kubelet.give('vms', 'vm1', LAN, ['lan-1']);
    kubelet.faults.list = 'hang';
    const devicesOf = newDevicesOf();
    const hanging = caught(() => devicesOf(VM1, kubelet.directory));
    const waiting = devicesOf(VM1, kubelet.directory);
    while (kubelet.lists === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    kubelet.faults.list = null;
    assertFailure(await hanging, kubelet, 'no reply within 5 s');
    assert.equal(await waiting, [{ resource: LAN, ids: ['lan-1'] }]);
  }));

test('a large reply is read, and one that is too large fails the call', () =>
  withKubelet(async (kubelet) => {
    kubelet.give('vms', 'vm1', LAN, ['lan-1']);
    const devicesOf = newDevicesOf();
    kubelet.faults.list = 15 * MIB;
    assert.equal(await devicesOf(VM1, kubelet.directory), [{ resource: LAN, ids: ['lan-1'] }]);
    kubelet.faults.list = 17 * MIB;
    const error = await caught(() => devicesOf(VM1, kubelet.directory));
    assertFailure(error, kubelet, 'larger than max');
    kubelet.faults.list = null;
    assert.equal(await devicesOf(VM1, kubelet.directory), [{ resource: LAN, ids: ['lan-1'] }]);
  }));

function assertFailure({ code, message }: BindingError, { directory }: Kubelet, reason: string): void {
  assert.is(code, 'TRY_AGAIN');
  const start = `Cannot ask kubelet at "${directory}/pod-resources/kubelet.sock" for the devices of the pod: `;
  assert.ok(message.startsWith(start), message);
  assert.ok(message.includes(reason), message);
  assert.ok(message.endsWith('$.macvtap.kubeletDirectory of the node policy file'), message);
}

test.run();
