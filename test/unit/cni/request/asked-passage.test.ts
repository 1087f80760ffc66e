import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AskedPassage, askedPassageOf, describeAsked } from '../../../../cni/request/asked-passage.ts';

const test = suite('askedPassageOf()');

const SERVED = { guestAddresses: 'pod', spoofGuard: 'off' } as const;
const CASES: readonly (readonly [object, AskedPassage | null])[] = [
  [{}, null],
  [{ guestAddresses: 'network', spoofGuard: 'off' }, null],
  [{ guestAddresses: 'pod' }, SERVED],
  [{ spoofGuard: 'mac' }, { guestAddresses: 'network', spoofGuard: 'mac' }],
  [
    { guestAddresses: 'pod', spoofGuard: 'addresses' },
    { guestAddresses: 'pod', spoofGuard: 'addresses' },
  ],
  [{ spoofGuard: 'addresses' }, null], // invalid
  [{ guestAddresses: 5 }, null],
  [{ binding: 'passt' }, null],
  [{ binding: 'macvtap' }, null],
];
for (const [keys, want] of CASES) {
  test(`STATUS asks for what ${JSON.stringify(keys)} needs`, () =>
    assert.equal(askedPassageOf({ cniVersion: '1.1.0', name: 'n', ...keys }), want));
}

test('describeAsked() writes the keys that ask for something', () => {
  assert.is(describeAsked(SERVED), '"guestAddresses": "pod"');
  assert.is(
    describeAsked({ guestAddresses: 'pod', spoofGuard: 'mac' }),
    '"guestAddresses": "pod" and "spoofGuard": "mac"',
  );
});

test.run();
