/** A match on a frame (frame-match.ts) as expressions of a rule at a link's ingress. */
import { ETHERTYPES, type FrameMatch, type FrameProtocol, type Key } from '../frame-match.ts';
import type { Expression } from './expression.ts';

/** Size in bytes of register 1. */
const REGISTER_BYTES = 16;

/**
 * Returns expressions that continue if a frame matches.
 *
 * @throws {TypeError} for frames with a VLAN tag, and for bytes before the network header
 */
export const matchExpressions = ({ protocol, keys }: FrameMatch): readonly Expression[] => [
  ...protocolExpressions(protocol),
  ...runsOf(keys).flatMap(runExpressions),
];

function protocolExpressions(protocol: FrameProtocol): readonly Expression[] {
  if (protocol === 'all') return [];
  if (protocol === 'vlan') throw new TypeError('Unreachable: no rule of Tapwire matches VLAN tags');
  return HAS_ETHERTYPE[protocol];
}

/**
 * Compares the EtherType in the Ethernet header, where a frame with a VLAN tag has the tag's. `meta
 * protocol` would be that of the tag's content.
 */
function hasEthertype(protocol: keyof typeof ETHERTYPES): readonly Expression[] {
  const equal = Buffer.alloc(2);
  equal.writeUInt16BE(ETHERTYPES[protocol]);
  return [
    { is: 'load', header: 'link', offset: 12, length: 2 },
    { is: 'cmp', equal },
  ];
}

const HAS_ETHERTYPE = {
  ip: hasEthertype('ip'),
  arp: hasEthertype('arp'),
  ipv6: hasEthertype('ipv6'),
  rarp: hasEthertype('rarp'),
} as const;

/** Splits keys into runs of adjacent words that fit into the register together. */
function runsOf(keys: readonly Key[]): readonly (readonly Key[])[] {
  const runs: Key[][] = [];
  for (const key of keys) {
    if (key.at < 0) throw new TypeError(`Unreachable: no rule of Tapwire matches bytes at ${key.at}`);
    const run = runs.at(-1);
    const isNext = run !== undefined && run.at(-1)?.at === key.at - 4;
    if (isNext && run.length < REGISTER_BYTES / 4) run.push(key);
    else runs.push([key]);
  }
  return runs;
}

/** Compares the words of a run, without the bytes at its ends whose bits do not count. */
function runExpressions(run: readonly Key[]): readonly Expression[] {
  const [masks, values] = [Buffer.alloc(run.length * 4), Buffer.alloc(run.length * 4)];
  for (const [i, { mask, value }] of run.entries()) {
    masks.writeUInt32BE(mask, i * 4);
    values.writeUInt32BE(value, i * 4);
  }
  const start = masks.findIndex((byte) => byte !== 0);
  const end = masks.findLastIndex((byte) => byte !== 0) + 1;
  const mask = masks.subarray(start, end);
  return [
    { is: 'load', header: 'network', offset: (run[0]?.at ?? 0) + start, length: mask.length },
    ...(mask.every((byte) => byte === 0xff) ? [] : [bitwiseAnd(mask)]),
    { is: 'cmp', equal: values.subarray(start, end) },
  ];
}

const bitwiseAnd = (mask: Uint8Array): Expression => ({
  is: 'bitwise',
  mask,
  xor: Buffer.alloc(mask.length),
});
