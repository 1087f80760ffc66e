import { decodeAttributes, elementsOf, inside, nested, readText, text } from '../netlink/attribute.ts';
import {
  type Message,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  type Query,
  type Request,
} from '../netlink/message.ts';
import type { Expression } from './expression.ts';
import { decodeExpression, encodeExpression } from './expression-codec.ts';
import { familyOf, NFGENMSG_BYTES, nftablesRequest } from './message.ts';
import type { Table } from './table.ts';

/** A rule of a chain. */
export interface Rule {
  readonly table: Table;
  readonly chain: string;
  readonly expressions: readonly Expression[];
}

const NFT_MSG_NEWRULE = 6;
const NFT_MSG_GETRULE = 7;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;

/** `nft add rule TABLE CHAIN EXPRESSIONS`, at the end of the chain. */
export const ruleAddition = ({ table, chain, expressions }: Rule): Request =>
  nftablesRequest(
    NFT_MSG_NEWRULE,
    NLM_F_CREATE | NLM_F_APPEND,
    table.family,
    text(NFTA_RULE_TABLE, table.name),
    text(NFTA_RULE_CHAIN, chain),
    nested(NFTA_RULE_EXPRESSIONS, ...expressions.map(encodeExpression)),
  );

/** Queries the rules of one table. The result is empty if the kernel refuses. */
export const rulesOf = (table: Table): Query<readonly Rule[]> => ({
  request: nftablesRequest(NFT_MSG_GETRULE, NLM_F_DUMP, table.family, text(NFTA_RULE_TABLE, table.name)),
  decode: (replies) => replies.flatMap(decodeRule).filter((rule) => rule.table.name === table.name),
  refused: () => [],
});

function decodeRule({ body }: Message): readonly Rule[] {
  const family = familyOf(body);
  const attributes = decodeAttributes(body, NFGENMSG_BYTES);
  const [name, chain] = [readText(attributes, NFTA_RULE_TABLE), readText(attributes, NFTA_RULE_CHAIN)];
  if (family === null || name === undefined || chain === undefined) return [];
  const expressions = elementsOf(inside(attributes, NFTA_RULE_EXPRESSIONS)).map(decodeExpression);
  return [{ table: { family, name }, chain, expressions }];
}
