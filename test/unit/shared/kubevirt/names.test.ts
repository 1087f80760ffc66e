import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hashedPodIfname, isOrdinalIfname, secondaryTapIfname } from '../../../../shared/kubevirt/names.ts';

const test = suite('names');

for (const [network, pod, tap] of [
  ['red', 'podb1f51a511f1', 'tapb1f51a511f1'],
  ['blue', 'pod16477688c0e', 'tap16477688c0e'],
  ['mynetwork', 'pod6d1b23123e2', 'tap6d1b23123e2'],
  ['blue-net', 'pod0371e81cb4a', 'tap0371e81cb4a'],
  ['net1', 'pod6c270ef2f25', 'tap6c270ef2f25'],
  ['default', 'pod37a8eec1ce1', 'tap37a8eec1ce1'],
] as const) {
  test(`network "${network}" has KubeVirt's link names`, () => {
    assert.equal([hashedPodIfname(network), secondaryTapIfname(hashedPodIfname(network))], [pod, tap]);
  });
}

test('an ordinal link has an ordinal tap', () => {
  assert.is(secondaryTapIfname('net12'), 'tap12');
});

for (const [ifname, want] of [
  ['net1', true],
  ['net10', true],
  ['net', false],
  ['net1a', false],
  ['mynet1', false],
  ['pod16477688c0e', false],
] as const) {
  test(`isOrdinalIfname("${ifname}") is ${want}`, () => {
    assert.is(isOrdinalIfname(ifname), want);
  });
}

test.run();
