import {
  type Attributes,
  attribute,
  inside,
  nested,
  readBytes,
  readText,
  text,
  type Words,
} from '../netlink/attribute.ts';
import { be32 } from './message.ts';

/**
 * One step of a rule. The kernel runs the steps in order until one does not match or gives a
 * verdict.
 */
export type Expression =
  /** Loads the name of the outgoing link into register 1. */
  | { readonly is: 'meta'; readonly key: 'oifname' }
  /** Continues if register 1 has these bytes. */
  | { readonly is: 'cmp'; readonly equal: Uint8Array }
  | { readonly is: 'counter'; readonly packets: number; readonly bytes: number }
  | { readonly is: 'drop' }
  /** Any other expression that the kernel lists. */
  | { readonly is: 'other'; readonly name: string };

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_META_DREG = 1;
const NFTA_META_KEY = 2;
const NFT_META_OIFNAME = 7;
const NFTA_CMP_SREG = 1;
const NFTA_CMP_OP = 2;
const NFTA_CMP_DATA = 3;
const NFT_CMP_EQ = 0;
const NFTA_COUNTER_BYTES = 1;
const NFTA_COUNTER_PACKETS = 2;
const NFTA_IMMEDIATE_DREG = 1;
const NFTA_IMMEDIATE_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFT_REG_VERDICT = 0;
const NFT_REG_1 = 1;
const NF_DROP = 0;
/** Size in bytes of an ifname in the kernel, which compares names with their padding. */
const IFNAMSIZ = 16;

/** `oifname LINK`: matches packets that leave through the link, which need not exist. */
export function leavesBy(link: string): readonly Expression[] {
  const name = Buffer.alloc(IFNAMSIZ);
  name.write(link);
  return [
    { is: 'meta', key: 'oifname' },
    { is: 'cmp', equal: name },
  ];
}

export const DROP: Expression = { is: 'drop' };
/** A counter that starts at 0. */
export const COUNTER: Expression = { is: 'counter', packets: 0, bytes: 0 };

/** Encodes an element of a rule's list of expressions. */
export function encodeExpression(expression: Expression): Words {
  switch (expression.is) {
    case 'meta':
      return LOAD_OIFNAME;
    case 'cmp':
      return encode(
        'cmp',
        be32(NFTA_CMP_SREG, NFT_REG_1),
        be32(NFTA_CMP_OP, NFT_CMP_EQ),
        nested(NFTA_CMP_DATA, attribute(NFTA_DATA_VALUE, expression.equal)),
      );
    case 'counter':
      return COUNT;
    case 'drop':
      return VERDICT_DROP;
    case 'other':
      throw new TypeError(`Unreachable: Tapwire does not write expression "${expression.name}"`);
  }
}

const encode = (name: string, ...data: readonly Words[]): Words =>
  nested(NFTA_LIST_ELEM, text(NFTA_EXPR_NAME, name), nested(NFTA_EXPR_DATA, ...data));

const LOAD_OIFNAME = encode('meta', be32(NFTA_META_DREG, NFT_REG_1), be32(NFTA_META_KEY, NFT_META_OIFNAME));
const COUNT = encode('counter');
const VERDICT_DROP = encode(
  'immediate',
  be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT),
  nested(NFTA_IMMEDIATE_DATA, nested(NFTA_DATA_VERDICT, be32(NFTA_VERDICT_CODE, NF_DROP))),
);

/** Decodes an expression. @param element payload of an element of a rule's list */
export function decodeExpression(element: Attributes): Expression {
  const name = readText(element, NFTA_EXPR_NAME) ?? '';
  return decodeKnown(name, inside(element, NFTA_EXPR_DATA)) ?? { is: 'other', name };
}

function decodeKnown(name: string, data: Attributes): Expression | null {
  switch (name) {
    case 'meta':
      return readBe32(data, NFTA_META_KEY) === NFT_META_OIFNAME ? { is: 'meta', key: 'oifname' } : null;
    case 'cmp': {
      const value = readBytes(inside(data, NFTA_CMP_DATA), NFTA_DATA_VALUE);
      const isEqual = readBe32(data, NFTA_CMP_OP) === NFT_CMP_EQ;
      return value !== undefined && isEqual ? { is: 'cmp', equal: value } : null;
    }
    case 'counter': {
      const [packets, bytes] = [readBe64(data, NFTA_COUNTER_PACKETS), readBe64(data, NFTA_COUNTER_BYTES)];
      return { is: 'counter', packets, bytes };
    }
    case 'immediate': {
      const verdict = inside(inside(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
      return readBe32(verdict, NFTA_VERDICT_CODE) === NF_DROP ? DROP : null;
    }
    default:
      return null;
  }
}

function readBe32(attributes: Attributes, type: number): number | undefined {
  const value = readBytes(attributes, type);
  return value?.length === 4 ? value.readUInt32BE() : undefined;
}

function readBe64(attributes: Attributes, type: number): number {
  const value = readBytes(attributes, type);
  return value?.length === 8 ? Number(value.readBigUInt64BE()) : 0;
}
