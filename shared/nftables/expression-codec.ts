/**
 * The format of a rule's expressions: a name, and attributes that depend on the name.
 *
 * Source: linux/netfilter/nf_tables.h
 */
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
import { ACCEPT, DROP, type Expression, type MetaKey } from './expression.ts';
import { be32, be64, readBe32, readBe64 } from './message.ts';
import { decodeMeta, encodeMeta, encodePacketType } from './meta.ts';
import { decodePayload, encodeLoad, encodeWrite, NFT_REG_1 } from './payload.ts';

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_BITWISE_SREG = 1;
const NFTA_BITWISE_DREG = 2;
const NFTA_BITWISE_LEN = 3;
const NFTA_BITWISE_MASK = 4;
const NFTA_BITWISE_XOR = 5;
const NFTA_BITWISE_OP = 6;
const NFTA_CMP_SREG = 1;
const NFTA_CMP_OP = 2;
const NFTA_CMP_DATA = 3;
const NFTA_LIMIT_RATE = 1;
const NFTA_LIMIT_UNIT = 2; // seconds
const NFTA_LIMIT_BURST = 3;
const NFTA_LIMIT_TYPE = 4;
const NFTA_LIMIT_FLAGS = 5;
const NFT_LIMIT_PKTS = 0;
const NFTA_COUNTER_BYTES = 1;
const NFTA_COUNTER_PACKETS = 2;
const NFTA_IMMEDIATE_DREG = 1;
const NFTA_IMMEDIATE_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFT_REG_VERDICT = 0;
const NFT_CMP_EQ = 0;
/** NFT_BITWISE_MASK_XOR, the only operation of a kernel before 5.6, which does not list it. */
const NFT_BITWISE_MASK_XOR = 0;
const NF_DROP = 0;
const NF_ACCEPT = 1;

/** Encodes an element of a rule's list of expressions. */
export function encodeExpression(expression: Expression): Words {
  switch (expression.is) {
    case 'meta':
      return LOAD_META[expression.key];
    case 'setPacketType':
      return SET_PACKET_TYPE;
    case 'load':
      return encode('payload', ...encodeLoad(expression));
    case 'immediate':
      return encode(
        'immediate',
        be32(NFTA_IMMEDIATE_DREG, NFT_REG_1),
        encodeData(NFTA_IMMEDIATE_DATA, expression.value),
      );
    case 'bitwise':
      return encode(
        'bitwise',
        be32(NFTA_BITWISE_SREG, NFT_REG_1),
        be32(NFTA_BITWISE_DREG, NFT_REG_1),
        be32(NFTA_BITWISE_LEN, expression.mask.length),
        encodeData(NFTA_BITWISE_MASK, expression.mask),
        encodeData(NFTA_BITWISE_XOR, expression.xor),
      );
    case 'cmp':
      return encode(
        'cmp',
        be32(NFTA_CMP_SREG, NFT_REG_1),
        be32(NFTA_CMP_OP, NFT_CMP_EQ),
        encodeData(NFTA_CMP_DATA, expression.equal),
      );
    case 'write':
      return encode('payload', ...encodeWrite(expression, expression.checksum));
    case 'limit':
      return encode(
        'limit',
        be64(NFTA_LIMIT_RATE, expression.perSecond),
        be64(NFTA_LIMIT_UNIT, 1),
        be32(NFTA_LIMIT_BURST, expression.burst),
        be32(NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS),
      );
    case 'counter':
      return COUNT;
    case 'accept':
      return VERDICT_ACCEPT;
    case 'drop':
      return VERDICT_DROP;
    case 'other':
      throw new TypeError(`Unreachable: Tapwire does not write expression "${expression.name}"`);
  }
}

const encode = (name: Name, ...data: readonly Words[]): Words =>
  nested(NFTA_LIST_ELEM, NAMES[name], nested(NFTA_EXPR_DATA, ...data));

const nameOf = (name: string): Words => text(NFTA_EXPR_NAME, name);

const NAMES = {
  meta: nameOf('meta'),
  payload: nameOf('payload'),
  immediate: nameOf('immediate'),
  bitwise: nameOf('bitwise'),
  cmp: nameOf('cmp'),
  limit: nameOf('limit'),
  counter: nameOf('counter'),
} as const;
type Name = keyof typeof NAMES;

const encodeData = (type: number, value: Uint8Array): Words =>
  nested(type, attribute(NFTA_DATA_VALUE, value));

const loadMeta = (key: MetaKey): Words => encode('meta', ...encodeMeta(key));

const verdict = (code: number): Words =>
  encode(
    'immediate',
    be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT),
    nested(NFTA_IMMEDIATE_DATA, nested(NFTA_DATA_VERDICT, be32(NFTA_VERDICT_CODE, code))),
  );

const LOAD_META: Readonly<Record<MetaKey, Words>> = {
  iifname: loadMeta('iifname'),
  oifname: loadMeta('oifname'),
  nfproto: loadMeta('nfproto'),
  l4proto: loadMeta('l4proto'),
};
const SET_PACKET_TYPE = encode('meta', ...encodePacketType());
const COUNT = encode('counter');
const VERDICT_ACCEPT = verdict(NF_ACCEPT);
const VERDICT_DROP = verdict(NF_DROP);

/** Decodes an expression. @param element payload of an element of a rule's list */
export function decodeExpression(element: Attributes): Expression {
  const name = readText(element, NFTA_EXPR_NAME) ?? '';
  return decodeKnown(name, inside(element, NFTA_EXPR_DATA)) ?? { is: 'other', name };
}

/** Returns null for what Tapwire does not write, such as a value in another register. */
function decodeKnown(name: string, data: Attributes): Expression | null {
  switch (name) {
    case 'meta':
      return decodeMeta(data);
    case 'payload':
      return decodePayload(data);
    case 'immediate':
      return decodeImmediate(data);
    case 'bitwise':
      return decodeBitwise(data);
    case 'cmp': {
      const equal = readData(data, NFTA_CMP_DATA);
      const isEqual =
        readBe32(data, NFTA_CMP_OP) === NFT_CMP_EQ && readBe32(data, NFTA_CMP_SREG) === NFT_REG_1;
      return equal !== undefined && isEqual ? { is: 'cmp', equal } : null;
    }
    case 'counter': {
      const [packets, bytes] = [readBe64(data, NFTA_COUNTER_PACKETS), readBe64(data, NFTA_COUNTER_BYTES)];
      return { is: 'counter', packets, bytes };
    }
    case 'limit':
      return decodeLimit(data);
    default:
      return null;
  }
}

function decodeLimit(data: Attributes): Expression | null {
  const [perSecond, burst] = [readBe64(data, NFTA_LIMIT_RATE), readBe32(data, NFTA_LIMIT_BURST)];
  const isOwn =
    readBe64(data, NFTA_LIMIT_UNIT) === 1 &&
    readBe32(data, NFTA_LIMIT_TYPE) === NFT_LIMIT_PKTS &&
    (readBe32(data, NFTA_LIMIT_FLAGS) ?? 0) === 0; // else it matches what is above the limit
  return isOwn && burst !== undefined ? { is: 'limit', perSecond, burst } : null;
}

function decodeImmediate(data: Attributes): Expression | null {
  const value = readData(data, NFTA_IMMEDIATE_DATA);
  if (value !== undefined) {
    return readBe32(data, NFTA_IMMEDIATE_DREG) === NFT_REG_1 ? { is: 'immediate', value } : null;
  }
  const code = readBe32(inside(inside(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT), NFTA_VERDICT_CODE);
  if (code === NF_ACCEPT) return ACCEPT;
  return code === NF_DROP ? DROP : null;
}

function decodeBitwise(data: Attributes): Expression | null {
  const [mask, xor] = [readData(data, NFTA_BITWISE_MASK), readData(data, NFTA_BITWISE_XOR)];
  const isOwn =
    readBe32(data, NFTA_BITWISE_SREG) === NFT_REG_1 &&
    readBe32(data, NFTA_BITWISE_DREG) === NFT_REG_1 &&
    (readBe32(data, NFTA_BITWISE_OP) ?? NFT_BITWISE_MASK_XOR) === NFT_BITWISE_MASK_XOR;
  return isOwn && mask !== undefined && xor !== undefined ? { is: 'bitwise', mask, xor } : null;
}

const readData = (attributes: Attributes, type: number): Buffer | undefined =>
  readBytes(inside(attributes, type), NFTA_DATA_VALUE);
