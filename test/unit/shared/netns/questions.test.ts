import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EXCHANGE, NFTABLES, QUERY_TCX } from '../../../../shared/native/parts.ts';
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

test('questions to rtnetlink and to nftables are separate parts, and replies come in the order of the questions', async () => {
  const { parts, read } = newQuestions([allTables, count, count], 7, 0);
  assert.equal(
    parts.map(([kind]) => kind),
    [EXCHANGE, QUERY_TCX, NFTABLES],
  );
  const links = [message(16, 7, [0]), done(7), message(16, 8, [0]), message(16, 8, [0]), done(8)];
  const tables = Buffer.concat([tellTable(9), done(9)]);
  assert.equal(await read([Buffer.concat(links), null, tables]), {
    answers: [{ tables: [TABLE], refusal: null }, 1, 2],
    cutShort: null,
    tcx: [],
  });
});

test('questions only to rtnetlink open no netfilter socket', () => {
  assert.equal(
    newQuestions([count], 1, 0).parts.map(([kind]) => kind),
    [EXCHANGE, QUERY_TCX],
  );
});

test('questions only to nftables are one part', async () => {
  const { parts, read } = newQuestions([allTables], 5, 0);
  assert.equal(
    parts.map(([kind]) => kind),
    [NFTABLES],
  );
  const reply = await read([Buffer.concat([tellTable(5), done(5)])]);
  assert.equal(reply, { answers: [{ tables: [TABLE], refusal: null }], cutShort: null, tcx: [] });
});

const answersOf = async (...outcomes: readonly (Buffer | Error | null)[]): Promise<readonly unknown[]> => {
  const reply = await newQuestions([count, allTables], 1, 0).read(outcomes);
  if (reply instanceof Error) throw reply;
  return reply.answers;
};

test('a kernel without netfilter, and one that rejects the request, give a reply of their own', async () => {
  assert.equal(await answersOf(done(1), null, failure(93)), [
    0,
    { tables: [], refusal: 'open a netfilter socket: Protocol not supported' },
  ]);
  const refused = message(2, 2, [2 ** 32 - 22, 0, 0, 0, 0]);
  assert.equal(await answersOf(done(1), null, refused), [0, { tables: [], refusal: 'Invalid argument' }]);
});

test('a request that rtnetlink rejects gives the rejection, and no reply at all gives an error', async () => {
  assert.equal(await answersOf(done(1, 1), null, done(2)), [
    { refused: 'Operation not permitted' },
    { tables: [], refusal: null },
  ]);
  assert.instance(await newQuestions([count], 1, 0).read([failure(12), undefined]), Error);
});

test('only a dump of rtnetlink counts as changed', () => {
  const isChanged = (...outcomes: readonly (Buffer | null)[]) =>
    newQuestions([count, allTables], 1, 0).isChanged(outcomes);
  assert.ok(isChanged(done(1, 0, NLM_F_DUMP_INTR), null, done(2)));
  assert.not(isChanged(done(1), null, done(2, 0, NLM_F_DUMP_INTR)));
});

/** A query for a list, of which a part is of use. */
const list: Query<readonly number[]> = {
  request: count.request,
  keep: { limit: 100, types: [1, 33], body: 20 },
  isList: true,
  isUsefulInPart: true,
  decode: (replies) => replies.map(({ body }) => body.readUInt32LE(0)),
};
const EOVERFLOW = 75;

test('each query says how many bytes and which attributes are kept, within the limit of the socket', () => {
  const [[, , small] = [], [, , large] = []] = [50, 200].map(
    (limit) => newQuestions([list, count], 1, limit).parts[0] ?? [],
  );
  assert.equal(small, Uint32Array.of(50, 20, 2, 2, 50, 0, 0, 0));
  assert.equal(large, Uint32Array.of(100, 20, 2, 2, 200, 0, 0, 0));
});

test('of a reply that is cut short, the first part is the result if it is of use, or else a refusal', async () => {
  const routes = [
    message(16, 1, [7]),
    message(2, 1, [2 ** 32 - EOVERFLOW]),
    message(16, 2, [8]),
    message(2, 2, [2 ** 32 - EOVERFLOW]),
  ];
  assert.equal(await newQuestions([list, count], 1, 0).read([Buffer.concat(routes), null]), {
    answers: [[7], { refused: 'it has more than Tapwire reads' }],
    cutShort: 'it has more than Tapwire reads',
    tcx: [],
  });
});

test('a long list is decoded in pieces, between which other work runs', async () => {
  const length = 5000;
  const routes = Array.from({ length }, (_, i) => message(16, 1, [i]));
  let turns = 0;
  let isDone = false;
  const turn = () => {
    turns += 1;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const reply = await newQuestions([list, list], 1, 0).read([
    Buffer.concat([...routes, done(1), done(2)]),
    null,
  ]);
  isDone = true;
  assert.equal(reply instanceof Error || reply.answers, [Array.from(routes.keys()), []]);
  assert.ok(turns >= length / 1000, `${turns} turns`);
});

test.run();
