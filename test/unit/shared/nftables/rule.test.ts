import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nested, text } from '../../../../shared/netlink/attribute.ts';
import { encodeRequests, type Message } from '../../../../shared/netlink/message.ts';
import { COUNTER, DROP, leavesBy } from '../../../../shared/nftables/expression.ts';
import { type Rule, ruleAddition, rulesOf } from '../../../../shared/nftables/rule.ts';

const test = suite('rules of nftables');

const TABLE = { family: 'inet', name: 't' } as const;
const RULE: Rule = { table: TABLE, chain: 'output', expressions: [...leavesBy('eth0'), COUNTER, DROP] };

/** Each expression as `nft add rule inet t output oifname "eth0" counter drop` sends it. */
const META = '24000180090001006d657461000000001400028008000100000000010800020000000007';
const CMP =
  '3800018008000100636d70002c000280080001000000000108000200000000001800038014000100' +
  '65746830000000000000000000000000';
const COUNT = '140001800c000100636f756e7465720004000280';
const VERDICT =
  '300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c0002800800010000000000';

const toBytes = (words: Iterable<number>): Buffer => Buffer.from(Uint32Array.from(words).buffer);
const messageOf = (body: Buffer): Message => ({ type: 0x0a06, flags: 2, seq: 1, body });
const bodyOf = (rule: Rule): Buffer => toBytes(ruleAddition(rule).body);

test('ruleAddition() writes the bytes that the kernel expects', () => {
  assert.is(
    toBytes(encodeRequests([ruleAddition(RULE)], 1)).toString('hex'),
    'cc000000060a010c010000000000000001000000' +
      '0600010074000000' + // table
      '0b0002006f75747075740000' + // chain
      `a4000480${META}${CMP}${COUNT}${VERDICT}`,
  );
});

test('rulesOf() requests the rules of one table, and reads what ruleAddition() writes', () => {
  const query = rulesOf(TABLE);
  assert.is(
    toBytes(encodeRequests([query.request], 1)).toString('hex'),
    '1c000000070a01030100000000000000010000000600010074000000',
  );
  assert.equal(query.decode([messageOf(bodyOf(RULE))]), [RULE]);
});

test('rulesOf() skips rules of other tables, which a kernel before 4.4 sends as well, and messages that are not rules', () => {
  const other = { ...RULE, table: { ...TABLE, name: 'nat' } };
  const answers = [messageOf(bodyOf(other)), messageOf(Buffer.from('01000000', 'hex'))];
  assert.equal(rulesOf(TABLE).decode(answers), []);
  assert.equal(rulesOf(TABLE).refused?.('No such file or directory'), []);
});

test('rulesOf() reads counters', () => {
  const bytes = `0c000100${'00000000000000ff'}`;
  const packets = `0c000200${'0000000000000003'}`;
  const counted = Buffer.from(`2c0001800c000100636f756e746572001c000280${bytes}${packets}`, 'hex');
  const body = Buffer.concat([
    toBytes([1, ...text(1, 't'), ...text(2, 'output')]),
    Buffer.from('30000480', 'hex'),
    counted,
  ]);
  const [rule] = rulesOf(TABLE).decode([messageOf(body)]);
  assert.equal(rule?.expressions, [{ is: 'counter', packets: 3, bytes: 255 }]);
});

/** Rules that resemble Tapwire's. */
for (const [why, from, to, name] of [
  ['a match on another key', META, META.replace(/07$/, '05'), 'meta'],
  ['a comparison for inequality', CMP, CMP.replace('0800020000000000', '0800020000000001'), 'cmp'],
  ['another verdict', VERDICT, VERDICT.replace(/00000000$/, 'fffffffb'), 'immediate'],
] as const) {
  test(`rulesOf() does not mistake a rule with ${why} for Tapwire's`, () => {
    const body = Buffer.from(bodyOf(RULE).toString('hex').replace(from, to), 'hex');
    const [rule] = rulesOf(TABLE).decode([messageOf(body)]);
    const others = rule?.expressions.filter(({ is }) => is === 'other');
    assert.equal(others, [{ is: 'other', name }]);
  });
}

test('rulesOf() reads unknown expressions, and incomplete ones', () => {
  const list = [nested(1, text(1, 'masq')), nested(1), nested(1, text(1, 'counter'))];
  const body = toBytes([1, ...text(1, 't'), ...text(2, 'output'), ...nested(4, ...list)]);
  assert.equal(rulesOf(TABLE).decode([messageOf(body)])[0]?.expressions, [
    { is: 'other', name: 'masq' },
    { is: 'other', name: '' },
    { is: 'counter', packets: 0, bytes: 0 },
  ]);
});

test.run();
