import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { filtersUnicast, passesAllMulticast } from '../../../../shared/rtnetlink/link-kind.ts';

const test = suite('filtersUnicast() and passesAllMulticast()');

for (const [kind, unicast, multicast] of [
  ['veth', false, true],
  ['tun', false, true],
  ['vxlan', false, true],
  ['bridge', false, false],
  ['macvlan', true, false],
  ['macvtap', true, false],
  ['ipvlan', true, false],
  ['vlan', true, false],
  [null, true, false],
  ['a kind of a later kernel', false, false],
] as const) {
  test(`${kind ?? 'a physical device'} ${unicast ? 'filters' : 'passes'} unicast and ${multicast ? 'passes' : 'filters'} multicast`, () => {
    assert.equal([filtersUnicast({ kind }), passesAllMulticast({ kind })], [unicast, multicast]);
  });
}

test.run();
