import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  deviceIdsOf,
  firstIfindexOf,
  fullResourceName,
  ifindexWithoutDevice,
  isChosenIfindex,
  MAX_CAPACITY,
  MAX_RESOURCE,
  readDeviceId,
} from '../../../../shared/kubelet/device-id.ts';

const test = suite('device ids');

const LONGEST = `macvtap.network.kubevirt.io/${'x'.repeat(MAX_RESOURCE)}`.slice(0, MAX_RESOURCE);
const FOREIGN = 'macvtap.network.kubevirt.io/dataplane';
const LARGEST_IFINDEX = 2 ** 31 - 1;

// kubelet keeps ids for years, and every version of Tapwire must find the same index in them.
for (const [resource, first] of [
  ['vm-lan', 2078354432],
  [FOREIGN, 1076830208],
  ['a', 1260940288],
] as const) {
  test(`the first index of "${resource}" never changes`, () => {
    assert.is(firstIfindexOf(resource), first);
    assert.equal(deviceIdsOf(resource, 2), [`${resource}-${first}`, `${resource}-${first + 1}`]);
  });
}

test('the index of a macvtap without a device never changes', () => {
  assert.is(ifindexWithoutDevice('pod1', 'net1'), 1071394947);
  assert.is.not(ifindexWithoutDevice('pod1', 'net2'), ifindexWithoutDevice('pod1', 'net1'));
  assert.is.not(ifindexWithoutDevice('pod2', 'net1'), ifindexWithoutDevice('pod1', 'net1'));
});

test('a container id and an ifname that together read the same have different indexes', () =>
  assert.is.not(ifindexWithoutDevice('pod', '1net1'), ifindexWithoutDevice('pod1', 'net1')));

test('1,000 resources with all their devices have 1,024,000 different indexes, but for resources whose ranges are the same', () => {
  const resources = Array.from({ length: 1000 }, (_, i) => `resource-${i}`);
  const firsts = new Set(resources.map(firstIfindexOf));
  // Of 2^20 ranges, 1,000 resources share one with a probability of 38 %.
  assert.ok(firsts.size >= 998, `${firsts.size} ranges`);
  const indexes = new Set<number>();
  for (const first of firsts) {
    assert.is(first % MAX_CAPACITY, 0);
    for (let slot = 0; slot < MAX_CAPACITY; slot++) indexes.add(first + slot);
  }
  assert.is(indexes.size, firsts.size * MAX_CAPACITY);
  const all = [...indexes];
  assert.ok(all.every((index) => index >= 2 ** 30 && index <= LARGEST_IFINDEX));
  assert.ok(all.every(isChosenIfindex));
});

test('indexes without a device are below those of devices, and differ among 10,000 pods of a node', () => {
  const indexes = new Set<number>();
  for (let i = 0; i < 10_000; i++) indexes.add(ifindexWithoutDevice(`container${i}`, 'net1'));
  assert.ok([...indexes].every((index) => index >= 2 ** 29 && index < 2 ** 30 && isChosenIfindex(index)));
  assert.is(indexes.size, 10_000);
});

test('the kernel chooses small indexes itself', () => {
  for (const index of [1, 2, 4096, 2 ** 29 - 1]) assert.not(isChosenIfindex(index), String(index));
});

for (const resource of ['vm-lan', 'a', 'a-1', 'x-1234567890', FOREIGN, LONGEST, '__proto__', 'constructor']) {
  test(`each id of "${resource}" is read as it was written`, () => {
    const ids = deviceIdsOf(resource, MAX_CAPACITY);
    assert.is(new Set(ids).size, MAX_CAPACITY);
    for (const [slot, id] of ids.entries()) {
      assert.equal(readDeviceId(id), { resource, ifindex: firstIfindexOf(resource) + slot });
    }
  });
}

test('kubelet accepts the id of the longest resource: 63 characters', () => {
  assert.equal(
    deviceIdsOf(LONGEST, 3).map((id) => id.length),
    [63, 63, 63],
  );
  const longer = `${LONGEST}y`;
  assert.is(readDeviceId(`${longer}-${firstIfindexOf(longer)}`), null);
});

const FIRST = firstIfindexOf('vm-lan');
for (const [why, id] of [
  ['of macvtap-cni', 'dataplaneMvp0'],
  ['of SR-IOV', '0000:03:02.0'],
  ['empty', ''],
  ['no resource', `-${FIRST}`],
  ['no index', 'vm-lan'],
  ['no digits', 'vm-lan-'],
  ['nine digits', 'vm-lan-123456789'],
  ['eleven digits', `vm-lan-1${FIRST}`],
  ['another form of the number', `vm-lan- ${FIRST}`],
  ['a sign', `vm-lan-+${FIRST}`],
  ['a newline after it', `vm-lan-${FIRST}\n`],
  ['a newline in it', `vm\nlan-${firstIfindexOf('vm\nlan')}`],
  ['the index of another resource', `vm-lan-${firstIfindexOf('vm-wan')}`],
  ['an index before the first', `vm-lan-${FIRST - 1}`],
  ['an index after the last', `vm-lan-${FIRST + MAX_CAPACITY}`],
  ['an index that the kernel chooses', 'vm-lan-0000000007'],
] as const) {
  test(`readDeviceId() rejects an id: ${why}`, () => assert.is(readDeviceId(id), null));
}

test('fullResourceName() adds the domain only to a name without one', () => {
  assert.is(fullResourceName('vm-lan'), 'tapwire.io/vm-lan');
  assert.is(fullResourceName('tapwire.io/vm-lan'), 'tapwire.io/vm-lan');
  assert.is(fullResourceName(FOREIGN), FOREIGN);
});

test.run();
