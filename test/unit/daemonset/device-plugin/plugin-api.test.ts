import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceListOf } from '../../../../daemonset/device-plugin/device-list.ts';
import { type Method, methodsOf } from '../../../../daemonset/device-plugin/plugin-api.ts';
import {
  AllocateRequest,
  AllocateResponse,
  DevicePluginOptions,
  PreferredAllocationRequest,
  PreferredAllocationResponse,
} from '../../../../shared/grpc/device-plugin_pb.ts';
import { deviceIdsOf, firstIfindexOf } from '../../../../shared/kubelet/device-id.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('the methods of the device plugin');

const FIRST = firstIfindexOf('lan');
const [A = '', B = '', C = ''] = deviceIdsOf('lan', 3);

function plugin(capacity = 2) {
  const allocated: number[] = [];
  const methods = methodsOf({
    resource: 'tapwire.io/lan',
    devices: () => deviceListOf({ name: 'lan', capacity }, true),
    onAllocate: (count) => allocated.push(count),
  });
  const method = (name: string) => methods.get(`/v1beta1.DevicePlugin/${name}`) as Method;
  const allocate = (...ids: readonly (readonly string[])[]) => {
    const containerRequests = ids.map((one) => ({ devicesIds: [...one] }));
    return AllocateResponse.decode(
      method('Allocate')(AllocateRequest.encode({ containerRequests }).finish()),
    );
  };
  return { allocated, method, allocate };
}

const spec = (ifindex: number) => ({
  containerPath: `/dev/tap${ifindex}`,
  hostPath: `/dev/tap${ifindex}`,
  permissions: 'rw',
});

test('Allocate returns the device nodes of each container, in the order of the request', () => {
  const { allocate, allocated } = plugin();
  assert.equal(allocate([B, A], [], [A]), {
    containerResponses: [
      { devices: [spec(FIRST + 1), spec(FIRST)] },
      { devices: [] },
      { devices: [spec(FIRST)] },
    ],
  });
  assert.equal(allocated, [3]);
  assert.equal(allocate(), { containerResponses: [] });
});

test('Allocate rejects an id that the resource does not have now, and counts nothing', async () => {
  const { allocate, allocated } = plugin();
  for (const id of [C, `lan-${FIRST + 5000}`, `wan-${FIRST}`, '', '../../sda', 'é'.repeat(1000)]) {
    const error = await caught(() => allocate([A, id]));
    assert.is(error.code, 'INVALID_REQUEST', id);
    assert.is(
      error.message,
      `Cannot allocate device ${JSON.stringify(id.slice(0, 63))}: "tapwire.io/lan" has no such device now; the pod must be created again`,
    );
  }
  assert.equal(allocated, []);
});

test('GetDevicePluginOptions offers GetPreferredAllocation only', () => {
  assert.equal(DevicePluginOptions.decode(plugin().method('GetDevicePluginOptions')(new Uint8Array())), {
    preStartRequired: false,
    getPreferredAllocationAvailable: true,
  });
});

test('GetPreferredAllocation replies for each container', () => {
  const request = PreferredAllocationRequest.encode({
    containerRequests: [
      { availableDeviceIds: [B, A], mustIncludeDeviceIds: [], allocationSize: 1 },
      { availableDeviceIds: [B, A], mustIncludeDeviceIds: [B], allocationSize: 1 },
    ],
  }).finish();
  assert.equal(PreferredAllocationResponse.decode(plugin().method('GetPreferredAllocation')(request)), {
    containerResponses: [{ deviceIds: [A] }, { deviceIds: [B] }],
  });
});

test('every method rejects bytes that are not its message', async () => {
  const garbage = Buffer.from('ffffffffff', 'hex');
  const { method } = plugin();
  for (const name of ['GetDevicePluginOptions', 'GetPreferredAllocation', 'Allocate', 'PreStartContainer']) {
    const error = await caught(() => method(name)(garbage));
    assert.match(error.message, /^Cannot read device plugin request: /, name);
  }
});

test.run();
