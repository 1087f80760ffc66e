import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { preferredDevices } from '../../../../daemonset/device-plugin/preferred.ts';
import { deviceIdsOf } from '../../../../shared/kubelet/device-id.ts';

const test = suite('preferredDevices()');

const [A = '', B = '', C = '', D = ''] = deviceIdsOf('lan', 4);
const choose = (available: readonly string[], must: readonly string[], allocationSize: number) =>
  preferredDevices({
    availableDeviceIds: [...available],
    mustIncludeDeviceIds: [...must],
    allocationSize,
  });

test('takes the lowest interface indexes, in any order of the request', () => {
  assert.equal(choose([D, B, C, A], [], 1), [A]);
  assert.equal(choose([C, D, B], [], 2), [B, C]);
});

test('takes first what the container must have', () => {
  assert.equal(choose([A, B, C, D], [D], 2), [D, A]);
  assert.equal(choose([A, B, C, D], [D, C], 2), [D, C]);
  assert.equal(choose([A], [D], 1), [D], 'also if it is not available');
});

test('returns each device once, and no more than there are', () => {
  assert.equal(choose([A, A, B], [B, B], 9), [B, A]);
  assert.equal(choose([], [], 3), []);
});

test('a size that kubelet would never send chooses nothing', () => {
  for (const size of [0, -1, -(2 ** 31)]) assert.equal(choose([A], [B], size), [], String(size));
});

test('foreign ids come last, in the order of their names', () => {
  assert.equal(choose(['z', 'lan-0000000001', '', B], [], 4), [B, '', 'lan-0000000001', 'z']);
});

test.run();
