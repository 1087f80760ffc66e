import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isSolicitation } from '../../../../../sidecar/services/router-advertisement/solicitation.ts';
import { mutateBytes, newRandom, runsOf, seedOf } from '../../../../helpers/fuzz.ts';

const test = suite('isSolicitation()');

const LINK_LAYER = '0101020000000001';

for (const [why, hex, want] of [
  ['without options', '8100000040c00000', true],
  ['with the link-layer address of the guest', `8100abcd40c00000${LINK_LAYER}`, true],
  ['with two options', `8100abcd40c00000${LINK_LAYER}0e02${'00'.repeat(14)}`, true],
  ['with bits in the reserved field', '8100000040c0ffff', true],
  ['of another type', '8000000040c00000', false],
  ['that the kernel has not changed', `8500000000000000${LINK_LAYER}`, false],
  ['with another code', '8101000040c00000', false],
  ['with another identifier', '8100000040c10000', false],
  ['that is too short', '8100000040c000', false],
  ['without bytes', '', false],
  ['with an option of no length', '8100000040c000000100020000000001', false],
  ['with an option that is cut off', '8100000040c0000001010200', false],
  ['with half the header of an option', '8100000040c0000001', false],
  ['with an option that is longer than the message', `8100000040c000000102020000000001`, false],
] as const) {
  test(`${want ? 'accepts' : 'rejects'} a message ${why}`, () =>
    assert.is(isSolicitation(Buffer.from(hex, 'hex')), want));
}

test('accepts nothing else of 20,000 messages', () => {
  const random = newRandom(seedOf(20));
  const valid = Buffer.from(`8100abcd40c00000${LINK_LAYER}`, 'hex');
  let accepted = 0;
  for (let run = runsOf(20_000); run > 0; run--) {
    const bytes = random.oneIn(10) ? random.bytes(random.below(64)) : mutateBytes(random, valid);
    const isValid = /^8100.{4}40c0.{4}/.test(bytes.toString('hex')) && bytes.length % 8 === 0;
    const isAccepted = isSolicitation(bytes);
    if (isAccepted) accepted += 1;
    assert.ok(!isAccepted || isValid, `${bytes.toString('hex')}, seed ${seedOf(20)}`);
  }
  assert.ok(accepted > 0);
});

test.run();
