import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addScan,
  type Counts,
  decodeCounts,
  MESSAGES,
  NOTHING_COUNTED,
  type NodeCounts,
  type ScannedGuest,
} from '../../../../daemonset/scan/guest-counts.ts';

const test = suite('counts of the guest services');

const MAX = 2 ** 32;
const ZERO: Counts = MESSAGES.map(() => 0);
const decoded = (answer: string | Buffer, ...taps: readonly string[]) => [
  ...decodeCounts(Buffer.from(answer), taps),
];
/** Only the numbers other than 0, by protocol and result. */
const named = (counts: Counts) =>
  Object.fromEntries(
    MESSAGES.flatMap(([protocol, result], i) =>
      counts[i] !== 0 ? [[`${protocol} ${result}`, counts[i]]] : [],
    ),
  );

test('decodeCounts() returns the numbers of each tap that the sidecar serves', () => {
  const all = Object.fromEntries(MESSAGES.map((message, i) => [message.join(' '), i + 1]));
  const answer = JSON.stringify({ tap0: all, tap1: {}, tap2: { 'DHCPv4 ACK': 2 } });
  assert.equal(decoded(`${answer}\n`, 'tap0', 'tap1', 'tap9'), [
    ['tap0', MESSAGES.map((_, i) => i + 1)],
    ['tap1', ZERO],
  ]);
});

test('decodeCounts() does not believe other messages, nor numbers that are not counts', () => {
  const counts = {
    'DHCPv4 ACK': MAX,
    'DHCPv4 NAK': MAX + 1,
    'DHCPv4 OFFER': -1,
    'DHCPv4 ignored': 0.5,
    'DHCPv4 rejected': '7',
    'DHCPv6 Reply': null,
    'DHCPv6 Advertise': [1],
    'DHCPv9 ACK': 1,
    ACK: 1,
    'RA Solicitation': 3,
  };
  const [[, numbers = []] = []] = decoded(JSON.stringify({ tap0: counts }), 'tap0');
  assert.equal(named(numbers), { 'DHCPv4 ACK': MAX, 'RA Solicitation': 3 });
  const huge = decoded('{"tap0": {"DHCPv4 ACK": 1e999, "DHCPv4 NAK": 1e18}}', 'tap0');
  assert.equal(huge, [['tap0', ZERO]]);
});

test('decodeCounts() finds nothing in an answer that is not one', () => {
  assert.is(decodeCounts(null, ['tap0']).size, 0);
  for (const answer of [
    '',
    'hello\n',
    '{"tap0": {"DHCPv4 ACK": 1}',
    'null',
    '7',
    '[{"tap0": {}}]',
    '{"tap0": null}',
    '{"tap0": []}',
    '{"tap0": 7}',
    '[{"tap0":'.repeat(1800),
    '['.repeat(16 * 1024),
    Buffer.alloc(16 * 1024, 0xff),
  ])
    assert.equal(decoded(answer, 'tap0'), [], String(answer).slice(0, 30));
  for (const inherited of ['__proto__', 'constructor', 'toString'])
    assert.equal(decoded('{}', inherited), [], inherited);
});

const guest = (counts: Counts | null, tap = 'tap0'): ScannedGuest => ({
  ...{ container: 'c1', ifname: 'net1', isRunning: true },
  tap,
  counts,
});
const acks = (count: number): Counts => MESSAGES.map(([, result]) => (result === 'ACK' ? count : 0));
const offersAndAcks = (offers: number, count: number): Counts =>
  acks(count).map((number, i) => (MESSAGES[i]?.[1] === 'OFFER' ? offers : number));

type Pods = Readonly<Record<string, readonly ScannedGuest[]>>;
const after = (...scans: readonly Pods[]): NodeCounts =>
  scans.reduce(
    (before, pods) =>
      addScan(before, new Map(Object.entries(pods).map(([netns, guests]) => [netns, { guests }]))),
    NOTHING_COUNTED,
  );
const totals = (...scans: readonly Pods[]) => named(after(...scans).totals);

test('addScan() adds what pods have counted since the scan before', () => {
  assert.equal(totals({ a: [guest(acks(5))] }), {}, 'an agent that starts does not count again');
  assert.equal(totals({ a: [guest(acks(5))] }, { a: [guest(acks(7))] }), { 'DHCPv4 ACK': 2 });
  assert.equal(totals({}, { a: [guest(acks(5))] }), { 'DHCPv4 ACK': 5 }, 'a new pod');
  assert.equal(
    totals(
      { a: [guest(acks(1)), guest(acks(10), 'tap1')], b: [guest(acks(100))] },
      { a: [guest(acks(2)), guest(acks(12), 'tap1')], b: [guest(acks(104))] },
    ),
    { 'DHCPv4 ACK': 7 },
  );
});

test('addScan() keeps the sum of pods that have ended', () => {
  const scans = [{}, { a: [guest(acks(5))], b: [guest(acks(2))] }, { b: [guest(acks(3))] }, {}];
  assert.equal(totals(...scans), { 'DHCPv4 ACK': 8 });
  assert.equal(after(...scans).last?.size, 0, 'nothing of them is left');
});

test('addScan() takes a lower number for a sidecar that has started again', () => {
  assert.equal(totals({ a: [guest(acks(5))] }, { a: [guest(acks(2))] }), { 'DHCPv4 ACK': 2 });
  assert.equal(
    totals({ a: [guest(offersAndAcks(3, 9))] }, { a: [guest(offersAndAcks(4, 1))] }),
    { 'DHCPv4 OFFER': 4, 'DHCPv4 ACK': 1 },
    'all its numbers are new',
  );
});

test('addScan() counts nothing twice if a sidecar does not answer for a while', () => {
  const silent = { a: [guest(null)] };
  assert.equal(totals({ a: [guest(acks(5))] }, silent, silent, { a: [guest(acks(6))] }), { 'DHCPv4 ACK': 1 });
  assert.equal(totals(silent, silent, { a: [guest(acks(5))] }), {}, 'since before the agent');
  assert.equal(totals(silent, { a: [guest(acks(5))] }, { a: [guest(acks(6))] }), { 'DHCPv4 ACK': 1 });
  assert.equal(totals({}, silent, { a: [guest(acks(5))] }), { 'DHCPv4 ACK': 5 }, 'since the agent');
});

test('addScan() keeps the totals exact for years, whatever a pod tells', () => {
  const [lowest, highest] = [{ a: [guest(acks(0))] }, { a: [guest(acks(MAX))] }];
  let counts = after({});
  for (let minute = 0; minute < 2; minute++)
    for (const pods of [lowest, highest]) counts = addScan(counts, new Map([['a', { guests: pods.a }]]));
  assert.equal(named(counts.totals), { 'DHCPv4 ACK': 2 * MAX });
  assert.ok(Number.MAX_SAFE_INTEGER / MAX > 3 * 365 * 24 * 60);
});

test.run();
