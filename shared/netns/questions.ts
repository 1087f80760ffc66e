import { setImmediate } from 'node:timers/promises';
import { decodeTcx, type TcxProgram } from '../bpf/program.ts';
import { describeFailure } from '../native/native.ts';
import { EXCHANGE, type NativePart, NFTABLES, QUERY_TCX } from '../native/parts.ts';
import {
  decodeMessages,
  encodeRequests,
  hasFlag,
  type Message,
  NLM_F_DUMP_INTR,
  type Query,
} from '../netlink/message.ts';
import { isForNftables } from '../nftables/message.ts';
import { type Dump, readDump } from './outcome.ts';

type NativeOutcomes = readonly (Buffer | Error | null | undefined)[];

/** Encoded queries for one run in a netns, and how to decode their results. */
export interface Questions {
  readonly parts: readonly NativePart[];
  /** Whether a dump of rtnetlink changed while the kernel wrote it. */
  isChanged(outcomes: NativeOutcomes): boolean;
  /**
   * Decodes the results. Lets other work run in between if they are long.
   *
   * @returns an Error if rtnetlink did not reply at all
   */
  read(outcomes: NativeOutcomes): Promise<Reply | Error>;
}

export interface Reply {
  /** Result of each query, in order. */
  readonly answers: readonly unknown[];
  /** Why an answer contains only a part; null if all are complete. */
  readonly cutShort: string | null;
  readonly tcx: readonly TcxProgram[];
}

/** Number of messages that are decoded at once, which takes a few milliseconds. */
const PIECE = 500;

/**
 * Encodes queries. Those to rtnetlink and those to nftables use separate sockets.
 *
 * @param seq number of the first request; the others follow
 * @param limit maximum size in bytes of the reply to each query to rtnetlink
 */
export function newQuestions(queries: readonly Query<unknown>[], seq: number, limit: number): Questions {
  const toRtnetlink = queries.filter(({ request }) => !isForNftables(request));
  const toNftables = queries.filter(({ request }) => isForNftables(request));
  const encode = (some: readonly Query<unknown>[], first: number) =>
    encodeRequests(
      some.map(({ request }) => request),
      first,
    );
  const others = seq + toRtnetlink.length;
  const routeParts: NativePart[] =
    toRtnetlink.length === 0
      ? []
      : [[EXCHANGE, encode(toRtnetlink, seq), encodeKeeps(toRtnetlink, limit)], [QUERY_TCX]];
  const tableParts: NativePart[] = toNftables.length === 0 ? [] : [[NFTABLES, encode(toNftables, others)]];

  return {
    parts: [...routeParts, ...tableParts],
    // A dump of nftables may change unnoticed: only hundreds of tables, which only a hostile pod
    // has, make a dump long enough to change while it is written.
    isChanged([routes]) {
      if (routeParts.length === 0 || !Buffer.isBuffer(routes)) return false;
      return hasFlag(routes, NLM_F_DUMP_INTR);
    },
    async read(outcomes) {
      const [routes, programs] = routeParts.length === 0 ? [] : outcomes;
      const tables = outcomes[routeParts.length];
      if (routes instanceof Error) return routes;
      const replies = new Map([...bySeq(routes), ...bySeq(tables)]);
      const silent = tables instanceof Error ? describeFailure(tables) : null;
      let [next, nextOther] = [seq, others];
      const answers: unknown[] = [];
      const decodeNext = inPieces();
      let cutShort: string | null = null;
      for (const query of queries) {
        const isOther = isForNftables(query.request);
        const dump = readDump(replies.get(isOther ? nextOther++ : next++) ?? []);
        const refused = dump.refused ?? (isOther ? silent : null);
        const isPart = refused !== null && query.isUsefulInPart === true;
        if (isPart) cutShort ??= refused;
        answers.push(refused === null || isPart ? await decodeNext(query, dump) : refusalOf(query, refused));
      }
      return { answers, cutShort, tcx: Buffer.isBuffer(programs) ? decodeTcx(programs) : [] };
    },
  };
}

/** Encodes `struct keep` of rtnetlink.h for each query. */
function encodeKeeps(queries: readonly Query<unknown>[], limit: number): Uint32Array {
  const words = queries.flatMap(({ keep }) => {
    const types = [0, 0];
    for (const type of keep?.types ?? [])
      types[type >> 5] = ((types[type >> 5] ?? 0) | (1 << (type & 31))) >>> 0;
    return [Math.min(keep?.limit ?? limit, limit), keep?.body ?? 0, ...types];
  });
  return new Uint32Array(words);
}

const bySeq = (outcome: NativeOutcomes[number]): ReadonlyMap<number, readonly Message[]> =>
  Map.groupBy(Buffer.isBuffer(outcome) ? decodeMessages(outcome) : [], ({ seq }) => seq);

const refusalOf = (query: Query<unknown>, refused: string): unknown =>
  query.refused === undefined ? { refused } : query.refused(refused);

/** Returns a function that decodes replies and lets other work run after each PIECE of messages. */
function inPieces(): (query: Query<unknown>, dump: Dump) => Promise<unknown> {
  let room = PIECE;
  return async (query, { messages }) => {
    if (messages.length <= room || query.isList !== true) {
      room = Math.max(0, room - messages.length);
      return query.decode(messages);
    }
    const list: unknown[] = [];
    for (let at = 0; at < messages.length; ) {
      const piece = messages.slice(at, at + room);
      for (const element of query.decode(piece) as readonly unknown[]) list.push(element);
      at += room;
      room = PIECE;
      await setImmediate();
    }
    return list;
  };
}
