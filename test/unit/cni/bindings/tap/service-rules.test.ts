import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  EXCEPTIONS,
  ISOLATION_RULES,
  SERVICE_RULES,
  type ServiceRule,
} from '../../../../../cni/bindings/tap/service-rules.ts';
import type { FrameRule } from '../../../../../shared/frame-match.ts';

const test = suite('rules of guest services');

/** Protocol, verdict, and each key as `offset:value/mask`, as tc(8) would show it. */
const shown = ({ match, verdict }: FrameRule): string => {
  const hex = (word: number) => word.toString(16).padStart(8, '0');
  const keys = match.keys.map(({ at, value, mask }) => `${at}:${hex(value)}/${hex(mask)}`);
  return `${match.protocol} ${verdict} ${keys.join(' ')}`;
};

const SERVER6 = '24:fe800000/ffffffff 28:00000000/ffffffff 32:00000000/ffffffff 36:00750010/ffffffff';
const TARGET6 = '48:fe800000/ffffffff 52:00000000/ffffffff 56:00000000/ffffffff 60:00750010/ffffffff';

test('the tap gets DHCP, router solicitations, and what finds the servers', () => {
  assert.equal(EXCEPTIONS.map(shown), [
    // UDP from port 68 to 67; a header of five words, and the first fragment.
    'ip up 8:00110000/00ff0000 0:45000000/ff000000 4:00000000/00001fff 20:00440043/ffffffff',
    'arp up 24:a9fe4b0a/ffffffff',
    'ipv6 up 4:00001100/0000ff00 40:00000223/0000ffff ' +
      '24:ff020000/ffffffff 28:00000000/ffffffff 32:00000000/ffffffff 36:00010002/ffffffff',
    'ipv6 up 4:00003a00/0000ff00 40:85000000/ff000000 ' +
      '24:ff020000/ffffffff 28:00000000/ffffffff 32:00000000/ffffffff 36:00000002/ffffffff',
    `ipv6 up 4:00003a00/0000ff00 40:87000000/ff000000 ${TARGET6}`,
    `ipv6 up 4:00003a00/0000ff00 40:88000000/ff000000 ${SERVER6}`,
  ]);
});

test("no other server gets the rest of the requests, and the network no copy of the sidecar's answers", () => {
  assert.equal(SERVICE_RULES.slice(EXCEPTIONS.length).map(shown), [
    'ipv6 drop 4:00001100/0000ff00 40:02220223/ffffffff',
    'ipv6 drop 4:00003a00/0000ff00 40:85000000/ff000000',
    'ip drop 12:a9fe4b0a/ffffffff',
    'ipv6 drop 4:00003a00/0000ff00 40:86000000/ff000000 56:fd030000/ffff0000',
  ]);
  assert.equal(SERVICE_RULES.slice(0, EXCEPTIONS.length), EXCEPTIONS);
});

test('the guest gets nothing of foreign servers', () => {
  assert.equal(ISOLATION_RULES.map(shown), [
    'ip drop 8:00110000/00ff0000 0:45000000/ff000000 4:00000000/00001fff 20:00000044/0000ffff',
    'ipv6 drop 4:00001100/0000ff00 40:00000222/0000ffff',
    'ipv6 drop 4:00003a00/0000ff00 40:86000000/ff000000',
  ]);
});

test('each rule that is counted has words of its own', () => {
  for (const rules of [EXCEPTIONS, ISOLATION_RULES] as readonly (readonly ServiceRule[])[]) {
    const words = rules.map(({ what }) => what);
    assert.equal([...new Set(words)], words);
  }
});

test.run();
