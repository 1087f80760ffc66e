import { type Chunk, countLines, objectEnd } from './chunks.ts';

/**
 * Splits a list of objects, in the form in which kubectl prints it, into its items, so that not the
 * whole cluster has to be in memory at a time. Null for every other text. Pure.
 *
 * If the list is valid, so is each item by itself, with two exceptions: go-yaml lets quotes and
 * brackets close at the left margin, and an alias may name an anchor in another item. In both, one
 * of the items has an error.
 */
export function itemsOf(chunk: Chunk): readonly Chunk[] | null {
  const yaml = yamlSpans(chunk.text);
  if (yaml !== null) return toChunks(chunk, yaml).map(unmarked);
  const json = jsonSpans(chunk.text);
  return json === null ? null : toChunks(chunk, json);
}

/** Where an item begins and ends in the text. */
type Span = readonly [start: number, end: number];

const YAML_HEAD = /^(?:---\n)?apiVersion: v1\nitems:\n(?=- )/;
const YAML_TAIL = /kind: List\n(?:metadata:\n(?: .*\n)*)?$/y;
/** Finds lines that are not indented. */
const AT_MARGIN = /\n(?=[^ \n])/g;

function yamlSpans(text: string): readonly Span[] | null {
  const [head] = YAML_HEAD.exec(text) ?? [];
  if (head === undefined) return null;
  let start = head.length;
  const spans: Span[] = [];
  for (const { index } of text.slice(start).matchAll(AT_MARGIN)) {
    const margin = head.length + index + 1;
    spans.push([start, margin]);
    start = margin;
    if (!text.startsWith('- ', margin)) return matchAt(YAML_TAIL, text, margin) === undefined ? null : spans;
  }
  return null;
}

/** Replaces the mark of the item by indentation, so that all its lines keep their columns. */
const unmarked = ({ text, line }: Chunk): Chunk => ({ text: ` ${text.slice(1)}`, line });

const JSON_HEAD = /^\s*\{\s*"apiVersion":\s*"v1",\s*"items":\s*\[\s*(?=\{)/;
const JSON_TAIL = /\s*\],\s*"kind":\s*"List"(?:,\s*"metadata":\s*\{[^{}]*\})?\s*\}\s*$/y;
const JSON_COMMA = /\s*,\s*(?=\{)/y;

function jsonSpans(text: string): readonly Span[] | null {
  let start = JSON_HEAD.exec(text)?.[0].length;
  if (start === undefined) return null;
  const spans: Span[] = [];
  for (let end = objectEnd(text, start); end !== -1; end = objectEnd(text, start)) {
    spans.push([start, end]);
    const comma = matchAt(JSON_COMMA, text, end);
    if (comma === undefined) return matchAt(JSON_TAIL, text, end) === undefined ? null : spans;
    start = end + comma.length;
  }
  return null;
}

function matchAt(sticky: RegExp, text: string, index: number): string | undefined {
  sticky.lastIndex = index;
  return sticky.exec(text)?.[0];
}

function toChunks({ text, line }: Chunk, spans: readonly Span[]): readonly Chunk[] {
  let [seen, current] = [0, line];
  return spans.map(([start, end]) => {
    current += countLines(text.slice(seen, start));
    seen = start;
    return { text: text.slice(start, end), line: current };
  });
}
