import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  findSilence,
  ownTables,
  silenceAddition,
  silenceDeletion,
  silenceTable,
} from '../../../../../cni/bindings/tap/silence.ts';
import { DROP, leavesBy } from '../../../../../shared/nftables/expression.ts';
import type { Rule } from '../../../../../shared/nftables/rule.ts';
import { KEY, OTHER, silenced } from '../../../../helpers/pod/seen.ts';

const test = suite('silence');

const LINKS = ['eth0', 'tap0'] as const;
const TABLE = silenceTable(KEY);
const OP = { table: TABLE, podLink: 'eth0', tap: 'tap0', served: null } as const;
/** NFT_MSG_* by number. */
const WORDS = { 0: '+table', 2: '-table', 3: '+chain', 6: '+rule' } as const;
const shown = (requests: ReturnType<typeof silenceDeletion>) =>
  requests.map(({ type, body }) => `${WORDS[(type & 0xff) as keyof typeof WORDS]} ${body[0]}`);

test("silenceTable() returns a name of the attachment's own", () => {
  assert.match(TABLE, /^tapwire-[0-9a-f]{16}$/);
  assert.is.not(TABLE, silenceTable(OTHER));
});

const INET = ['+table 1', '+chain 1', '+rule 1', '+rule 1'];
const ARP = ['+table 3', '+chain 3', '+rule 3', '+rule 3'];

test('silenceAddition() adds a table for each family, with a rule for each link', () => {
  const op = { ...OP, replaces: false };
  assert.equal(shown(silenceAddition(op)), [...INET, ...ARP]);
});

test('silenceAddition() deletes earlier tables in the same batch, so that no frame passes meanwhile', () => {
  const op = { ...OP, replaces: true };
  assert.equal(shown(silenceAddition(op)), ['+table 1', '+table 3', '-table 1', '-table 3', ...INET, ...ARP]);
});

test('silenceDeletion() adds tables before it deletes them, so that a missing table is not an error', () => {
  assert.equal(shown(silenceDeletion(TABLE)), ['+table 1', '+table 3', '-table 1', '-table 3']);
});

test('findSilence() adds up the packets that all rules have dropped', () => {
  assert.equal(findSilence(TABLE, LINKS, silenced({ packets: 2, bytes: 100 }), null), {
    packets: 8,
    bytes: 400,
  });
});

const rule = (changes: Partial<Rule>): Rule => ({
  table: { family: 'arp', name: TABLE },
  chain: 'output',
  expressions: [...leavesBy('tap0'), DROP],
  ...changes,
});
/** Where the rule for the tap in the family arp belongs. */
for (const [why, last] of [
  ['it is gone', []],
  ['it is in another chain', [rule({ chain: 'input' })]],
  [
    'it is in the table of another attachment',
    [rule({ table: { family: 'arp', name: silenceTable(OTHER) } })],
  ],
  ['it is in the table of the other family', [rule({ table: { family: 'inet', name: TABLE } })]],
  ['it is for another link', [rule({ expressions: [...leavesBy('tap'), DROP] })]],
  ['it only counts', [rule({ expressions: leavesBy('tap0') })]],
  [
    'it does not drop every packet',
    [rule({ expressions: [...leavesBy('tap0'), { is: 'other', name: 'payload' }, DROP] })],
  ],
] as const) {
  test(`findSilence() finds no silence if a rule is wrong: ${why}`, () => {
    const { rules, ...tables } = silenced();
    assert.is(findSilence(TABLE, LINKS, { ...tables, rules: [...rules.slice(0, -1), ...last] }, null), null);
  });
}

test('findSilence() works without counters', () => {
  const { rules, ...tables } = silenced();
  assert.ok(findSilence(TABLE, LINKS, { ...tables, rules: [...rules.slice(0, -1), rule({})] }, null));
});

test('ownTables() returns the tables of an attachment, of either family', () => {
  const { tables } = silenced();
  assert.equal(
    [tables, tables.slice(1), []].map((some) => ownTables(KEY, { ...silenced(), tables: some }).length),
    [2, 1, 0],
  );
  assert.equal(ownTables(OTHER, silenced()), []);
});

test.run();
