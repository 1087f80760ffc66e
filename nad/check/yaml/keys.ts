import { isMap, isScalar, isSeq, type Pair } from 'yaml';

/** A key that Kubernetes rejects or ignores. */
export interface KeyDefect {
  readonly offset: number;
  readonly severity: 'error' | 'warning';
  readonly reason: string;
}

/** Finds duplicate keys, and keys that JSON cannot have. Linear in the number of nodes. Pure. */
export function keyDefectsOf(root: unknown): readonly KeyDefect[] {
  const defects: KeyDefect[] = [];
  let duplicates = 0;
  const nodes = [root];
  while (nodes.length > 0) {
    const node = nodes.pop();
    if (isSeq(node)) for (const item of node.items) nodes.push(item);
    if (!isMap(node)) continue;
    const seen = new Set<string>();
    for (const pair of node.items) {
      const key = keyOf(pair);
      if (key === null) {
        defects.push(
          defectAt(pair, 'error', 'a key must be a string; quote it, or render the template first'),
        );
      } else if (seen.has(key) && ++duplicates <= MAX_DUPLICATES) {
        defects.push(
          defectAt(
            pair,
            'warning',
            `key ${JSON.stringify(key)} appears twice, and Kubernetes takes the last one; ${REMEDY}`,
          ),
        );
      }
      if (key !== null) seen.add(key);
      nodes.push(pair.value);
    }
  }
  return defects;
}

/** Most duplicate keys of an object that are named. Each takes more memory than the key itself. */
const MAX_DUPLICATES = 1000;

const REMEDY = 'remove one of them (kustomize rejects the file)';

/** A key as in JSON; null if JSON has no such key. Merge keys (`<<`) are symbols and may repeat. */
export function keyOf({ key }: Pair): string | null {
  const value = isScalar(key) ? key.value : undefined;
  return value === undefined || value === null ? null : String(value);
}

function defectAt({ key }: Pair, severity: KeyDefect['severity'], reason: string): KeyDefect {
  return { offset: isScalar(key) ? (key.range?.[0] ?? 0) : 0, severity, reason };
}
