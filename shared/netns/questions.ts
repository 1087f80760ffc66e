import { decodeTcx, type TcxProgram } from '../bpf/program.ts';
import { describeFailure, EXCHANGE, type NativePart, NFTABLES, QUERY_TCX } from '../native/native.ts';
import {
  decodeMessages,
  encodeRequests,
  isRefused,
  type Message,
  NLM_F_DUMP_INTR,
  type Query,
  type Refused,
} from '../netlink/message.ts';
import { isForNftables } from '../nftables/message.ts';
import { readDump } from './outcome.ts';

type NativeOutcomes = readonly (Buffer | Error | null | undefined)[];

/** Encoded queries for one run in a netns, and how to decode their results. */
export interface Questions {
  readonly parts: readonly NativePart[];
  /** Decodes the results; returns an Error if rtnetlink did not reply at all. */
  read(outcomes: NativeOutcomes): Reply | Error;
}

export interface Reply {
  /** Result of each query, in order. */
  readonly answers: readonly unknown[];
  readonly tcx: readonly TcxProgram[];
  /** Whether a dump of rtnetlink changed while the kernel wrote it. */
  readonly isChanged: boolean;
}

/**
 * Encodes queries. Those to rtnetlink and those to nftables use separate sockets.
 *
 * @param seq number of the first request; the others follow
 * @param limit maximum size in bytes of rtnetlink's replies; 0 means no limit
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
    toRtnetlink.length === 0 ? [] : [[EXCHANGE, encode(toRtnetlink, seq), limit], [QUERY_TCX]];
  const tableParts: NativePart[] = toNftables.length === 0 ? [] : [[NFTABLES, encode(toNftables, others)]];

  return {
    parts: [...routeParts, ...tableParts],
    read(outcomes) {
      const [routes, programs] = routeParts.length === 0 ? [] : outcomes;
      const tables = outcomes[routeParts.length];
      if (routes instanceof Error) return routes;
      const messages = Buffer.isBuffer(routes) ? decodeMessages(routes) : [];
      const replies = Buffer.isBuffer(tables) ? decodeMessages(tables) : [];
      const silent = tables instanceof Error ? { refused: describeFailure(tables) } : null;
      let [next, nextOther] = [seq, others];
      return {
        answers: queries.map((query) =>
          isForNftables(query.request)
            ? readAnswer(query, silent ?? dumpOf(replies, nextOther++))
            : readAnswer(query, dumpOf(messages, next++)),
        ),
        tcx: Buffer.isBuffer(programs) ? decodeTcx(programs) : [],
        // A dump of nftables may change unnoticed: only hundreds of tables, which only a hostile
        // pod has, make a dump long enough to change while it is written.
        isChanged: messages.some(({ flags }) => (flags & NLM_F_DUMP_INTR) !== 0),
      };
    },
  };
}

const dumpOf = (messages: readonly Message[], seq: number): readonly Message[] | Refused =>
  readDump(messages.filter((message) => message.seq === seq));

function readAnswer(query: Query<unknown>, dump: readonly Message[] | Refused): unknown {
  if (!isRefused(dump)) return query.decode(dump);
  return query.refused === undefined ? dump : query.refused(dump.refused);
}
