import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MacvtapResource } from '../../../../cni/policy/macvtap-policy.ts';
import { diffOf } from '../../../../daemonset/device-plugin/diff.ts';

const test = suite('diffOf()');

const entry = (name: string, change: Partial<MacvtapResource> = {}): MacvtapResource => ({
  name,
  lowerDevice: 'eth1',
  mode: 'bridge',
  capacity: 10,
  promisc: false,
  allmulticast: true,
  ...change,
});

test('tells which resources come, go and stay', () => {
  const [a, b, c] = [entry('a'), entry('b'), entry('c')];
  assert.equal(diffOf(['a', 'b'], [b, c]), { removed: ['a'], added: [c], kept: [b] });
  assert.equal(diffOf([], [a]), { removed: [], added: [a], kept: [] });
  assert.equal(diffOf(['a'], []), { removed: ['a'], added: [], kept: [] });
});

test('a resource with another capacity or lower device stays', () => {
  const changed = entry('a', { capacity: 99, lowerDevice: 'eth2', mode: 'private' });
  assert.equal(diffOf(['a'], [changed]), { removed: [], added: [], kept: [changed] });
});

test.run();
