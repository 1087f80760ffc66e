import { type Expression, isSameExpression } from '../../../shared/nftables/expression.ts';
import type { Rule } from '../../../shared/nftables/rule.ts';

/** What a rule has counted. Both are 0 if it has no counter. */
export interface Counted {
  readonly packets: number;
  /** Includes the link-layer header for ARP and at the ingress of a link, but not for IP. */
  readonly bytes: number;
}

/**
 * Finds rules in a chain, in their order, and returns what each has counted; null if one is missing
 * or changed. Counters do not matter, and other rules in between do not either. Linear. Pure.
 */
export function countRules(
  wanted: readonly (readonly Expression[])[],
  chain: readonly Rule[],
): readonly Counted[] | null {
  const counted: Counted[] = [];
  let at = 0;
  for (const expressions of wanted) {
    while (at < chain.length && !isSame(expressions, chain[at]?.expressions ?? [])) at += 1;
    const found = chain[at];
    if (found === undefined) return null;
    const counter = found.expressions.find((one) => one.is === 'counter');
    counted.push({ packets: counter?.packets ?? 0, bytes: counter?.bytes ?? 0 });
    at += 1;
  }
  return counted;
}

const deciding = (expressions: readonly Expression[]): readonly Expression[] =>
  expressions.filter(({ is }) => is !== 'counter');

function isSame(wanted: readonly Expression[], found: readonly Expression[]): boolean {
  const [ours, theirs] = [deciding(wanted), deciding(found)];
  return (
    ours.length === theirs.length && ours.every((expression, i) => isSameExpression(expression, theirs[i]))
  );
}

export const sumOf = (counted: readonly Counted[]): Counted => ({
  packets: counted.reduce((sum, { packets }) => sum + packets, 0),
  bytes: counted.reduce((sum, { bytes }) => sum + bytes, 0),
});
