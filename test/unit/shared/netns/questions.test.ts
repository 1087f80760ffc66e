import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EXCHANGE, NFTABLES, QUERY_TCX } from '../../../../shared/native/native.ts';
import { encodeRequests, NLM_F_DUMP_INTR, type Query } from '../../../../shared/netlink/message.ts';
import { newQuestions } from '../../../../shared/netns/questions.ts';
import { allTables, tableAddition } from '../../../../shared/nftables/table.ts';

const test = suite('newQuestions()');

const toBytes = (words: Iterable<number>): Buffer => Buffer.from(Uint32Array.from(words).buffer);
/** A message as the kernel sends it; a done or error message if it has an errno. */
const message = (type: number, seq: number, body: readonly number[], flags = 0): Buffer =>
  toBytes(encodeRequests([{ type, flags, body }], seq));
const done = (seq: number, errno = 0, flags = 0): Buffer => message(3, seq, [2 ** 32 - errno], flags);
const count: Query<number> = {
  request: { type: 18, flags: 0x300, body: [0] },
  decode: (answers) => answers.length,
};
const failure = (errno: number): Error => Object.assign(new Error('open a netfilter socket'), { errno });

const TABLE = { family: 'inet', name: 't' } as const;
const tellTable = (seq: number): Buffer => message(0x0a00, seq, [...tableAddition(TABLE).body]);

test('questions to rtnetlink and to nftables are separate parts, and replies come in the order of the questions', () => {
  const { parts, read } = newQuestions([allTables, count, count], 7, 0);
  assert.equal(
    parts.map(([kind]) => kind),
    [EXCHANGE, QUERY_TCX, NFTABLES],
  );
  const links = [message(16, 7, [0]), done(7), message(16, 8, [0]), message(16, 8, [0]), done(8)];
  const tables = Buffer.concat([tellTable(9), done(9)]);
  assert.equal(read([Buffer.concat(links), null, tables]), {
    answers: [{ tables: [TABLE], refusal: null }, 1, 2],
    tcx: [],
    isChanged: false,
  });
});

test('questions only to rtnetlink open no netfilter socket', () => {
  assert.equal(
    newQuestions([count], 1, 0).parts.map(([kind]) => kind),
    [EXCHANGE, QUERY_TCX],
  );
});

test('questions only to nftables are one part', () => {
  const { parts, read } = newQuestions([allTables], 5, 0);
  assert.equal(
    parts.map(([kind]) => kind),
    [NFTABLES],
  );
  const reply = read([Buffer.concat([tellTable(5), done(5)])]);
  assert.equal(reply, { answers: [{ tables: [TABLE], refusal: null }], tcx: [], isChanged: false });
});

const answersOf = (...outcomes: readonly (Buffer | Error | null)[]): readonly unknown[] => {
  const reply = newQuestions([count, allTables], 1, 0).read(outcomes);
  if (reply instanceof Error) throw reply;
  return reply.answers;
};

test('a kernel without netfilter, and one that rejects the request, give a reply of their own', () => {
  assert.equal(answersOf(done(1), null, failure(93)), [
    0,
    { tables: [], refusal: 'open a netfilter socket: Protocol not supported' },
  ]);
  const refused = message(2, 2, [2 ** 32 - 22, 0, 0, 0, 0]);
  assert.equal(answersOf(done(1), null, refused), [0, { tables: [], refusal: 'Invalid argument' }]);
});

test('a request that rtnetlink rejects gives the rejection, and no reply at all gives an error', () => {
  assert.equal(answersOf(done(1, 1), null, done(2)), [
    { refused: 'Operation not permitted' },
    { tables: [], refusal: null },
  ]);
  assert.instance(newQuestions([count], 1, 0).read([failure(12), undefined]), Error);
});

test('only a dump of rtnetlink counts as changed', () => {
  const isChanged = (...outcomes: readonly (Buffer | null)[]) => {
    const reply = newQuestions([count, allTables], 1, 0).read(outcomes);
    return !(reply instanceof Error) && reply.isChanged;
  };
  assert.ok(isChanged(done(1, 0, NLM_F_DUMP_INTR), null, done(2)));
  assert.not(isChanged(done(1), null, done(2, 0, NLM_F_DUMP_INTR)));
});

test.run();
