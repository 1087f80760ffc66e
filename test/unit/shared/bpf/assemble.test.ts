import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { assemble } from '../../../../shared/bpf/assemble.ts';
import { classicReturns } from '../../../../shared/bpf/classic.ts';
import {
  bytesAt,
  ETHERTYPES,
  type FrameProtocol,
  type FrameRule,
  joined,
  type Key,
  sourceMac,
} from '../../../../shared/frame-match.ts';
import { newRandom, type Random, runsOf, seedOf } from '../../../helpers/fuzz.ts';
import { type Frame, verdictOf } from '../../../helpers/pod/verdict-of.ts';

const test = suite('assemble()');

const rule = (
  protocol: FrameProtocol,
  verdict: FrameRule['verdict'],
  ...keys: readonly Key[]
): FrameRule => ({
  match: { protocol, keys },
  verdict,
});
const wordAt = (at: number, value: number, mask = 0xffffffff): Key => ({ at, mask, value });
const MAC = sourceMac(Buffer.from('02000000000a', 'hex'));

/** The program in the form of `tc filter show`: code, jump if true, jump if false, k. */
function listing(program: Buffer): string[] {
  return Array.from({ length: program.length / 8 }, (_, i) => {
    const [code, k] = [program.readUInt16LE(8 * i), program.readUInt32LE(8 * i + 4)];
    return `${code} ${program[8 * i + 2]} ${program[8 * i + 3]} ${k}`;
  });
}

const LOAD_TAG = '32 0 0 4294963248';
const LOAD_TYPE = '40 0 0 12';
const PASS = '6 0 0 4294967295';
const UP = '6 0 0 0';
const DROP = '6 0 0 2';

test('no rules let every frame pass', () => {
  assert.equal(listing(assemble([])), [LOAD_TAG, '21 1 0 0', PASS, LOAD_TYPE, PASS]);
});

test('rules become the instructions that the kernel expects', () => {
  const program = assemble([
    rule('ip', 'up', wordAt(20, 0x00440043), wordAt(8, 0x00110000, 0x00ff0000)),
    rule('vlan', 'pass', ...MAC),
    rule('vlan', 'drop'),
    rule('arp', 'drop'),
  ]);
  assert.equal(listing(program), [
    ...[LOAD_TAG, '21 11 0 0'], // without a tag: continue at LOAD_TYPE
    ...['32 0 0 4294963244', '84 0 0 4095', '21 7 0 0'], // of VLAN 0: continue behind DROP
    ...['32 0 0 6', '21 0 4 33554432', '32 0 0 10', '84 0 0 4294901760', '21 0 1 655360', PASS, DROP],
    ...[PASS, LOAD_TYPE],
    ...['21 0 7 2048', '32 0 0 34', '21 0 4 4456515', '32 0 0 22', '84 0 0 16711680', '21 0 1 1114112', UP],
    ...[PASS, '21 0 1 2054', DROP],
    PASS,
  ]);
  assert.equal([...(classicReturns(program) ?? [])].sort(), [-1, 0, 2]);
});

test('a word that is loaded is not loaded again, whatever its mask', () => {
  const program = assemble([
    rule('ip', 'pass', wordAt(12, 1)),
    rule('ip', 'pass', wordAt(12, 2)),
    rule('ip', 'pass', wordAt(12, 0x10, 0xf0)),
    rule('ip', 'pass', wordAt(12, 0x20, 0xf0)),
    rule('ip', 'pass', wordAt(12, 1)),
    rule('ip', 'drop', wordAt(12, 3), wordAt(16, 1)),
    rule('ip', 'drop', wordAt(12, 3)),
  ]);
  assert.equal(listing(program).slice(4, -1), [
    ...['21 0 19 2048', '32 0 0 26', '21 0 1 1', PASS, '21 0 1 2', PASS],
    ...['84 0 0 240', '21 0 1 16', PASS, '21 0 1 32', PASS],
    ...['32 0 0 26', '21 0 1 1', PASS],
    // Two rules with the same first key share its comparison.
    ...['21 0 4 3', '32 0 0 30', '21 0 1 1', DROP, DROP, PASS],
  ]);
});

test('rules after one that matches every frame of their protocol are left out', () =>
  assert.equal(
    assemble([rule('ip', 'drop'), rule('ip', 'up', ...MAC), rule('all', 'pass')]),
    assemble([rule('ip', 'drop'), rule('all', 'pass')]),
  ));

for (const count of [84, 85, 300]) {
  test(`rules of ${count} keys skip as many instructions as they must`, () => {
    const keys = Array.from({ length: count }, (_, i) => wordAt(4 * i, i, 0xffff));
    const frame = (last: number): Frame => {
      const bytes = Buffer.alloc(14 + 4 * count);
      bytes.writeUInt16BE(ETHERTYPES.ip, 12);
      for (const { at, value } of keys) bytes.writeUInt32BE(value, 14 + at);
      bytes.writeUInt32BE(last, bytes.length - 4);
      return { bytes, vid: null };
    };
    for (const protocol of ['ip', 'all'] as const) {
      const program = assemble([rule(protocol, 'drop', ...keys), rule(protocol, 'up')]);
      assert.equal(
        [frame(count - 1), frame(count)].map((one) => run(program, one)),
        [2, 0],
      );
    }
  });
}

test('more instructions than the kernel can list are rejected', () => {
  const addresses = (count: number) =>
    Array.from({ length: count }, (_, i) => rule('ip', 'pass', wordAt(12, i)));
  assert.is(assemble(addresses(1995)).length / 8, 3999);
  assert.throws(
    () => assemble(addresses(1996)),
    (error: unknown) =>
      error instanceof RangeError && error.message === 'Want at most 4000 instructions, got 4001',
  );
});

/** Runs the program as the kernel does. */
function run(program: Buffer, { bytes, vid }: Frame): number {
  let accumulator = 0;
  for (let i = 0; ; i++) {
    const [code, k] = [program.readUInt16LE(8 * i), program.readUInt32LE(8 * i + 4)];
    if (code === 0x06) return k | 0;
    if (code === 0x05) i += k;
    else if (code === 0x15) i += program.readUInt8(8 * i + (accumulator === k ? 2 : 3));
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x20 && k === 0xfffff030) accumulator = vid === null ? 0 : 1;
    else if (code === 0x20 && k === 0xfffff02c) accumulator = 0xe000 | (vid ?? 0);
    else if (code === 0x20 && k + 4 <= bytes.length) accumulator = bytes.readUInt32BE(k);
    else if (code === 0x28 && k + 2 <= bytes.length) accumulator = bytes.readUInt16BE(k);
    else if (code === 0x20 || code === 0x28) return 0;
    else throw new TypeError(`Unknown instruction ${code} at ${i}`);
  }
}

const RETURNS = { up: 0, pass: -1, drop: 2 } as const;
const PROTOCOLS = ['ip', 'arp', 'ipv6', 'rarp', 'vlan', 'all'] as const;

/** Few different bytes, so that rules match. */
const bits = (random: Random, count: number): Buffer =>
  Buffer.from(Array.from({ length: count }, () => random.below(2)));

function arbitraryKeys(random: Random): readonly Key[] {
  const parts = Array.from({ length: random.pick([0, 1, 1, 1, 2, 3]) }, () => {
    const length = random.pick([1, 1, 2, 4]);
    const mask = random.oneIn(2) ? undefined : Buffer.from(bits(random, length).map((bit) => 255 * bit));
    return bytesAt(random.pick([-8, 0, 6, 12, 12, 16, 24]), bits(random, length), mask);
  });
  return random.oneIn(2) ? joined(...parts) : parts.flat();
}

function arbitraryFrame(random: Random): Frame {
  const bytes = bits(random, 14 + random.pick([0, 14, 20, 40, 40, 40]));
  bytes.writeUInt16BE(random.pick([...Object.values(ETHERTYPES), 0x88cc]), 12);
  return { bytes, vid: random.pick([null, null, null, 0, 100]) };
}

test('a program does what its rules say', () => {
  const random = newRandom(seedOf(17));
  const seen = { up: 0, pass: 0, drop: 0 };
  for (let runs = runsOf(300); runs > 0; runs--) {
    const rules = Array.from({ length: random.below(20) }, () =>
      rule(random.pick(PROTOCOLS), random.pick(['up', 'pass', 'drop']), ...arbitraryKeys(random)),
    );
    const program = assemble(rules);
    assert.is.not(classicReturns(program), null);
    for (let frames = 0; frames < 50; frames++) {
      const frame = arbitraryFrame(random);
      const want = verdictOf(rules, frame);
      seen[want] += 1;
      const why = () => `${frame.vid} ${frame.bytes.toString('hex')} ${JSON.stringify(rules)}`;
      if (run(program, frame) !== RETURNS[want]) assert.is(run(program, frame), RETURNS[want], why());
    }
  }
  assert.ok(Math.min(...Object.values(seen)) > 0, 'every outcome was tried');
});

test('a program compares once what every frame needs in order to pass', () => {
  const random = newRandom(seedOf(18));
  const seen = { up: 0, pass: 0, drop: 0 };
  for (let runs = runsOf(300); runs > 0; runs--) {
    const rules = [
      ...Array.from({ length: random.below(4) }, () =>
        rule('ip', 'up', ...arbitraryKeys(random), wordAt(0, 1)),
      ),
      ...Array.from({ length: 2 + random.below(8) }, () =>
        random.oneIn(2)
          ? rule('ip', 'pass', ...arbitraryKeys(random), wordAt(-8, 0x01000001), wordAt(-4, 0, 0xffff0000))
          : rule('ip', 'drop', ...arbitraryKeys(random), wordAt(4, 1, 1)),
      ),
      rule('all', 'drop'),
    ];
    const program = assemble(rules);
    for (let frames = 0; frames < 50; frames++) {
      const bytes = bits(random, 14 + 40);
      bytes.writeUInt16BE(ETHERTYPES.ip, 12);
      if (!random.oneIn(4)) bytes.write('010000010000', 6, 'hex');
      const frame = { bytes, vid: null };
      const want = verdictOf(rules, frame);
      seen[want] += 1;
      if (run(program, frame) !== RETURNS[want]) {
        assert.is(run(program, frame), RETURNS[want], `${bytes.toString('hex')} ${JSON.stringify(rules)}`);
      }
    }
  }
  assert.ok(Math.min(...Object.values(seen)) > 0, 'every outcome was tried');
});

test.run();
