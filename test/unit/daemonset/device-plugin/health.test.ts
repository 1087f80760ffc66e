import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Lower } from '../../../../cni/kernel/lower-device.ts';
import type { LowerDevice } from '../../../../cni/policy/macvtap-policy.ts';
import { findIllness } from '../../../../daemonset/device-plugin/health.ts';
import type { Link } from '../../../../shared/rtnetlink/link.ts';
import { linkOf } from '../../../helpers/pod/seen.ts';

const test = suite('findIllness()');

const ENTRY: LowerDevice = { lowerDevice: 'eth1', mode: 'bridge', promisc: false, allmulticast: true };
const UP = linkOf(7, 'eth1');
const lower = (change: Partial<Link> = {}, use: string | null = null): Lower => ({
  link: { ...UP, ...change },
  use,
});

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

test.run();
