import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LowerDevice } from '../../../../cni/policy/macvtap-policy.ts';
import { findIllness } from '../../../../daemonset/device-plugin/health.ts';
import type { LowerState } from '../../../../daemonset/device-plugin/read-lower.ts';
import type { Link } from '../../../../shared/rtnetlink/link.ts';
import { linkOf } from '../../../helpers/pod/seen.ts';

const test = suite('findIllness()');

const ENTRY: LowerDevice = { lowerDevice: 'eth1', mode: 'bridge', promisc: false, allmulticast: true };
const UP = linkOf(7, 'eth1');
const lower = (
  change: Partial<Link> = {},
  use: string | null = null,
  masterKind: string | null = null,
): LowerState => ({ link: { ...UP, ...change }, use, masterKind });

test('an Ethernet link that is up with carrier is healthy, in every mode', () => {
  for (const mode of ['bridge', 'private', 'vepa', 'passthru'] as const)
    assert.is(findIllness({ ...ENTRY, mode }, lower()), null, mode);
});

for (const [what, state, reason] of [
  ['missing', null, 'this node has no link "eth1"'],
  ['not Ethernet', lower({ type: 772 }), '"eth1" does not carry Ethernet frames'],
  ['down', lower({ flags: 0 }), '"eth1" is down'],
  ['without carrier', lower({ hasCarrier: false }), '"eth1" has no carrier'],
] as const) {
  test(`a link that is ${what} is unhealthy`, () => assert.is(findIllness(ENTRY, state), reason));
}

test('use of the link by the node matters only in mode passthru', () => {
  const used = lower({}, 'the default route leads through it');
  assert.is(findIllness(ENTRY, used), null);
  assert.is(
    findIllness({ ...ENTRY, mode: 'passthru' }, used),
    'in mode "passthru" a VM takes all of "eth1", but the default route leads through it',
  );
});

test('a port of a bridge, bond or switch cannot have macvtaps, but one of a VRF can', () => {
  for (const kind of ['bridge', 'bond', 'team', 'openvswitch', 'unknown'])
    assert.is(
      findIllness(ENTRY, lower({ master: 9 }, null, kind)),
      `"eth1" belongs to a link of kind "${kind}", which receives its frames`,
    );
  assert.is(findIllness(ENTRY, lower({ master: 9 }, null, 'vrf')), null);
});

test.run();
