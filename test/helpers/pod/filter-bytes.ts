/** Filters of tc(8) as the kernel dumps them, built from its headers. */
import {
  attribute,
  decodeAttributes,
  nested,
  struct,
  text,
  type Words,
} from '../../../shared/netlink/attribute.ts';
import { decodeFilter, type Filter } from '../../../shared/rtnetlink/filter.ts';

export const toBytes = (words: Iterable<number>): Buffer => Buffer.from(Uint32Array.from(words).buffer);
export const toAttributes = (...attributes: readonly Words[]) => decodeAttributes(toBytes(attributes.flat()));

/** One action. The third word of tc_gen says what happens next. */
export const action = (kind: string, parameters: number, next: number, ...more: readonly Words[]): Words =>
  nested(1, text(1, kind), nested(2, struct(parameters, [0, 0, next >>> 0, 0, 0, 0, 0]), ...more));
/** struct tc_mirred: 1 and 3 redirect, 2 and 4 copy. */
export const mirred = (what: number, next: number): Words =>
  nested(1, text(1, 'mirred'), nested(2, struct(2, [0, 0, next >>> 0, 0, 0, what, 7])));
export const gact = (next: number): Words => action('gact', 2, next);

/** Several actions; the type of each is its position. */
export const actions = (attributeType: number, ...list: readonly Words[]): Words =>
  nested(
    attributeType,
    ...list.map(([head = 0, ...rest], i) => [((head & 0xffff) | ((0x8000 | (i + 1)) << 16)) >>> 0, ...rest]),
  );

/** struct tc_u32_sel and its keys: mask, value, offset. */
export function selector(flags: number, ...keys: readonly (readonly [number, number, number])[]): Words {
  const words = keys.flatMap(([mask, value, offset]) => [mask, value, offset >>> 0, 0]);
  return struct(5, [flags | (keys.length << 16), 0, 0, 0, ...words]);
}
export const TERMINAL = 1;
export const EVERYTHING = selector(TERMINAL, [0, 0, 0]);

/** struct sock_filter of programs that return one value. */
export const classicReturn = (value: number): Words => attribute(5, toBytes([0x06, value >>> 0]));

/** The whole filter. The protocol is in host order. */
export function filterOf(kind: string, protocol: number, ...options: readonly Words[]): Filter {
  const inNetworkOrder = ((protocol & 0xff) << 8) | (protocol >> 8);
  const head = [0, 2, 0x80000800, 0xfffffff2, ((7 << 16) | inNetworkOrder) >>> 0];
  const body = toBytes([...head, ...text(1, kind), ...nested(2, ...options)]);
  return decodeFilter({ body }, 'clsact', 'ingress');
}
