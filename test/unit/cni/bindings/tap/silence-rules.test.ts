import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { servedBy, silenceRules } from '../../../../../cni/bindings/tap/silence-rules.ts';
import { COUNTER, DROP, type Expression, leavesBy } from '../../../../../shared/nftables/expression.ts';
import { OPEN_PASSAGE } from '../../../../../shared/record.ts';

const test = suite('silenceRules()');

/** Words like those of nft(8), for the expressions that these rules have. */
function worded(expression: Expression): string {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  switch (expression.is) {
    case 'load':
      return `@${expression.header},${expression.offset},${expression.length}`;
    case 'write': {
      const { header, offset, length, checksum } = expression;
      return `${header},${offset},${length} := (checksum ${checksum.offset} ${checksum.isPseudoHeader})`;
    }
    case 'cmp':
      return `== ${hex(expression.equal)}`;
    case 'bitwise':
      return `& ${hex(expression.mask)} ^ ${hex(expression.xor)}`;
    case 'immediate':
      return hex(expression.value);
    case 'meta':
      return expression.key;
    default:
      return expression.is;
  }
}
const shown = (rules: readonly (readonly Expression[])[] = []) =>
  rules.map((rule) => rule.map(worded).join(' '));

/** "tap0", padded to IFNAMSIZ. */
const TAP = /^[io]ifname == 74617030(00)*(?= )/;
const drops = (link: string) => [...leavesBy(link), COUNTER, DROP];

test('without services, everything that leaves by either link is dropped', () => {
  const output = [drops('eth0'), drops('tap0')];
  assert.equal(silenceRules('eth0', 'tap0', null), { inet: { output }, arp: { output } });
});

test('with services, the answers of the servers leave by the tap, and nothing else', () => {
  const { inet, arp } = silenceRules('eth0', 'tap0', { ipv6: false });
  const output = shown(inet.output);
  assert.equal(
    output.slice(0, -2).map((rule) => rule.replace(TAP, 'TAP')),
    [
      'TAP nfproto == 02 l4proto == 11 @transport,0,2 == 0043 counter accept',
      'TAP nfproto == 0a l4proto == 11 @transport,0,2 == 0223 counter accept',
      'TAP nfproto == 0a l4proto == 3a @transport,0,1 == 87 counter accept',
      'TAP nfproto == 0a l4proto == 3a @transport,0,1 == 88 counter accept',
    ],
  );
  assert.equal(inet.output?.slice(-2), [drops('eth0'), drops('tap0')]);
  assert.equal(inet.input, []);
  assert.equal(
    shown(arp.output?.slice(0, 1)).map((rule) => rule.replace(TAP, 'TAP')),
    ['TAP @network,14,4 == a9fe4b0a counter accept'],
  );
  assert.equal(arp.output?.slice(1), [drops('eth0'), drops('tap0')]);
});

test('with IPv6, echo requests of the sidecar become advertisements, and solicitations echo replies', () => {
  const { inet } = silenceRules('eth0', 'tap0', { ipv6: true });
  assert.is(
    shown(inet.output)[0]?.replace(TAP, 'TAP'),
    'TAP nfproto == 0a l4proto == 3a @transport,0,1 == 80 @network,7,1 == ff @transport,4,2 == 40c0 ' +
      '@network,24,16 == ff020000000000000000000000000001 ' +
      '@transport,24,16 network,8,16 := (checksum null true) ' +
      '@transport,0,2 & 00ff ^ 8600 transport,0,2 := (checksum 2 false) counter accept',
  );
  assert.is(
    shown(inet.input)[0]?.replace(TAP, 'TAP'),
    'TAP nfproto == 0a l4proto == 3a @transport,0,1 == 85 @network,7,1 == ff ' +
      '@network,24,16 == ff020000000000000000000000000002 ' +
      '40c0 transport,4,2 := (checksum 2 false) ' +
      '@transport,0,2 & 00ff ^ 8100 transport,0,2 := (checksum 2 false) counter accept',
  );
});

test('servedBy() is null for a passage without services', () => {
  assert.is(servedBy(OPEN_PASSAGE), null);
  assert.is(servedBy({ serves: false, ipv6: false, guard: 'mac' }), null);
  assert.equal(servedBy({ serves: true, ipv6: true, guard: 'off' }), { ipv6: true });
});

test.run();
