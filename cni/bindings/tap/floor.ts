/**
 * The floor: nftables chains for what tc lets through at the ingress of an attachment's links. It
 * accepts the exceptions of guest services. It drops everything else of the guest, which must not
 * reach the pod's own stack, and what foreign servers sent.
 */
import type { Request } from '../../../shared/netlink/message.ts';
import { chainAddition } from '../../../shared/nftables/chain.ts';
import { ACCEPT, COUNTER, DROP, type Expression } from '../../../shared/nftables/expression.ts';
import { matchExpressions } from '../../../shared/nftables/frame-rule.ts';
import { type Rule, ruleAddition } from '../../../shared/nftables/rule.ts';
import { tableAddition, tableDeletion } from '../../../shared/nftables/table.ts';
import type { Op } from '../../plan/op.ts';
import type { Nftables } from '../../plan/seen.ts';
import { type Counted, countRules } from './count-rules.ts';
import { EXCEPTIONS, ISOLATION_RULES, type ServiceRule } from './service-rules.ts';
import { rulesIn } from './silence.ts';

/** Kernel options that the floor needs, in addition to those of silence. */
export const FLOOR_OPTIONS = 'CONFIG_NF_TABLES_NETDEV and CONFIG_NFT_LIMIT';

const GUEST = 'guest';
const NETWORK = 'network';
const PRIORITY = 0; // the only chains at these links' ingress

/**
 * For frames whose senders the kernel remembers: all netns of a node share the room for neighbours,
 * and a guest could fill it. A guest asks for the server a few times in an hour.
 */
const LIMIT: Expression = { is: 'limit', perSecond: 2, burst: 20 };

const PACKET_HOST = 0; // linux/if_packet.h
/** Otherwise the kernel drops a frame to another MAC than the tap's. */
const TAKE: readonly Expression[] = [
  { is: 'immediate', value: Buffer.of(PACKET_HOST) },
  { is: 'setPacketType' },
];

const rulesOf = (rules: readonly ServiceRule[], verdict: Expression): readonly (readonly Expression[])[] =>
  rules.map(({ match, isLearned, isForAnyMac }) => [
    ...matchExpressions(match),
    ...(isLearned ? [LIMIT] : []),
    ...(isForAnyMac ? TAKE : []),
    COUNTER,
    verdict,
  ]);

const DROP_ALL: readonly (readonly Expression[])[] = [[COUNTER, DROP]];
const SERVED = [...rulesOf(EXCEPTIONS, ACCEPT), ...DROP_ALL];
const ISOLATED = rulesOf(ISOLATION_RULES, DROP);

/** Encodes the requests of one batch, which adds or replaces the table of an attachment. Pure. */
export function floorAddition({
  table: name,
  podLink,
  tap,
  serves,
  replaces,
}: Omit<Extract<Op, { op: 'addFloor' }>, 'op'>): readonly Request[] {
  const table = { family: 'netdev', name } as const;
  const chain = (of: string, device: string, rules: readonly (readonly Expression[])[]) => [
    chainAddition({ table, name: of, hook: 'ingress', device, priority: PRIORITY }),
    ...rules.map((expressions) => ruleAddition({ table, chain: of, expressions })),
  ];
  return [
    ...(replaces ? floorDeletion(name) : []),
    tableAddition(table),
    ...chain(GUEST, tap, serves ? SERVED : DROP_ALL),
    ...(serves ? chain(NETWORK, podLink, ISOLATED) : []),
  ];
}

/** Encodes a batch that deletes the table. A missing table is not an error. Pure. */
export function floorDeletion(name: string): readonly Request[] {
  const table = { family: 'netdev', name } as const;
  return [tableAddition(table), tableDeletion(table)];
}

/** What the floor has counted. */
export interface FloorCounts {
  /** What the guest's servers got, by exception. */
  readonly served: readonly CountedFrames[];
  /** Other frames of the guest that the redirect did not get. */
  readonly dropped: Counted;
  /** What foreign servers sent. */
  readonly isolated: readonly CountedFrames[];
}

export interface CountedFrames extends Counted {
  readonly what: string;
}

/** The state of an attachment's floor. */
export interface Floor {
  readonly hasTable: boolean;
  /** Null: at least one rule is missing. */
  readonly counts: FloorCounts | null;
}

/** Finds the floor of an attachment. Linear in the rules. Pure. */
export function findFloor(name: string, serves: boolean, { tables, rules }: Nftables): Floor {
  const table = { family: 'netdev', name } as const;
  const guest = countExactly(serves ? SERVED : DROP_ALL, rulesIn(rules, table, GUEST));
  const network = countExactly(serves ? ISOLATED : [], rulesIn(rules, table, NETWORK));
  const dropped = guest?.at(-1);
  return {
    hasTable: tables.some((one) => one.family === table.family && one.name === name),
    counts:
      guest === null || network === null || dropped === undefined
        ? null
        : {
            served: named(serves ? EXCEPTIONS : [], guest),
            dropped,
            isolated: named(serves ? ISOLATION_RULES : [], network),
          },
  };
}

/** Returns null also if there are other rules, because one of them may accept everything. */
const countExactly = (wanted: readonly (readonly Expression[])[], chain: readonly Rule[]) =>
  chain.length === wanted.length ? countRules(wanted, chain) : null;

const named = (rules: readonly ServiceRule[], counted: readonly Counted[]): readonly CountedFrames[] =>
  rules.map(({ what }, i) => ({ what, packets: counted[i]?.packets ?? 0, bytes: counted[i]?.bytes ?? 0 }));
