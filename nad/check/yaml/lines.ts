import { isMap, isNode, isSeq } from 'yaml';
import { keyOf } from './keys.ts';

/**
 * Line of a value, and those of the values in it. It is kept for each object, and takes a tenth of
 * the memory of the nodes that it is made from.
 */
export type Lines = number | { readonly line: number; readonly below: Below };
type Below = ReadonlyMap<string | null, Lines> | readonly Lines[];

/** @param lineAt line number of an offset in the text */
export function linesOf(node: unknown, lineAt: (offset: number) => number): Lines {
  return linesUnder(node, lineAt(startOf(node) ?? 0), lineAt);
}

function linesUnder(node: unknown, line: number, lineAt: (offset: number) => number): Lines {
  if (isMap(node)) {
    const below = node.items.map((pair): [string | null, Lines] => {
      const start = startOf(pair.key); // people look for a value at its key
      return [keyOf(pair), linesUnder(pair.value, start === undefined ? line : lineAt(start), lineAt)];
    });
    return { line, below: new Map(below) }; // of duplicate keys, the last counts
  }
  if (isSeq(node)) {
    const below = node.items.map((item) => linesUnder(item, lineAt(startOf(item) ?? 0), lineAt));
    return { line, below };
  }
  return line;
}

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);

/** Line of the value at a JSON path (`$.a[0]["b.c"]`), or of its nearest existing parent. */
export function lineAtPath(lines: Lines, path: string): number {
  let at = lines;
  for (const step of stepsOf(path)) {
    const below = typeof at === 'number' ? undefined : at.below;
    const next =
      below instanceof Map ? below.get(step) : (below as readonly Lines[] | undefined)?.[Number(step)];
    if (next === undefined) break;
    at = next;
  }
  return typeof at === 'number' ? at : at.line;
}

/** Splits a JSON path into keys and indices. */
function stepsOf(path: string): readonly string[] {
  const steps = path.matchAll(/\.([^.[\]]+)|\[(\d+)\]|\["([^"]*)"\]/g);
  return [...steps].map(([, key, index, quoted]) => key ?? index ?? quoted ?? '');
}
