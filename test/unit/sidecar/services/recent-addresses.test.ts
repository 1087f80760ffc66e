import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RecentAddresses } from '../../../../sidecar/services/recent-addresses.ts';
import { withClock } from '../../../helpers/clock.ts';

const test = suite('RecentAddresses');

test('a guest is answered at few addresses, however many it asks from', () =>
  withClock((clock) => {
    const recent = new RecentAddresses();
    const admitted = (count: number, from = 0) =>
      Array.from({ length: count }, (_, i) => recent.admit(`fe80::${from + i}`)).filter(Boolean).length;
    assert.is(admitted(100), 8);
    assert.is(recent.admit('fe80::3'), true, 'one that was answered before');
    clock.pass(59_999);
    assert.is(admitted(100, 100), 0);
    clock.pass(1);
    assert.is(admitted(100, 100), 8, 'after a minute');
  }));

test.run();
