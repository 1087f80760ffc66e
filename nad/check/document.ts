import {
  Composer,
  isMap,
  isNode,
  isSeq,
  LineCounter,
  type Pair,
  Parser,
  YAMLError,
  type YAMLMap,
  type Document as YamlDocument,
} from 'yaml';
import { messageOf } from '../../shared/errors.ts';
import { type Finding, failure, type Place, warning } from './finding.ts';
import { type Chunk, chunksOf } from './yaml/chunks.ts';
import { keyDefectsOf, keyOf } from './yaml/keys.ts';
import { createLexer } from './yaml/lexer.ts';
import { OPTIONS } from './yaml/schema.ts';

/** One document of a YAML or JSON file. */
export interface Document {
  readonly value: unknown;
  /**
   * Finds the place of the value at a JSON path (`$.spec.networks[0]`, `$.a["b.c"]`), or else of
   * its nearest existing parent.
   */
  readonly at: (path: string) => Place;
}

export interface Parsed {
  readonly documents: readonly Document[];
  /** Syntax errors, and text that Kubernetes reads in another way than it looks. */
  readonly findings: readonly Finding[];
}

/**
 * Largest file, in UTF-16 units: it bounds the memory for parsing. Dumps of clusters with thousands
 * of VMs are smaller.
 */
const MAX_LENGTH = 16 * 2 ** 20;
/** Most resolved aliases. Hostile aliases multiply a document; real files have a few. */
const MAX_ALIASES = 1000;

/** Parses every document of a file, as Kubernetes does. Pure. */
export function parseDocuments(file: string, text: string): Parsed {
  if (text.length > MAX_LENGTH) {
    const reason = `it has ${text.length} characters; split it into files of at most ${MAX_LENGTH}`;
    return { documents: [], findings: [failure({ file, line: 1 }, `Cannot parse "${file}": ${reason}`)] };
  }
  const documents: Document[] = [];
  const findings: Finding[] = [];
  for (const chunk of chunksOf(text)) {
    const parsed = parseChunk(file, chunk);
    documents.push(...parsed.documents);
    findings.push(...parsed.findings);
  }
  return { documents, findings };
}

function parseChunk(file: string, chunk: Chunk): Parsed {
  const lineCounter = new LineCounter();
  const place = (offset: number): Place => ({
    file,
    line: chunk.line - 1 + Math.max(lineCounter.linePos(offset).line, 1),
  });
  const fail = (offset: number, reason: string): Parsed => ({
    documents: [],
    findings: [failure(place(offset), `Cannot parse "${file}": ${reason}`)],
  });
  try {
    const [first, second] = compose(chunk.text, lineCounter);
    const [error] = first?.errors ?? [];
    if (first === undefined) return { documents: [], findings: [] };
    if (error !== undefined) return fail(error.pos[0], reasonOf(error));
    const value: unknown = first.toJS({ maxAliasCount: MAX_ALIASES });
    const defects = keyDefectsOf(first.contents);
    const broken = defects.find(({ severity }) => severity === 'error');
    if (broken !== undefined) return fail(broken.offset, broken.reason);
    const findings = defects.map(({ offset, reason }) => warning(place(offset), reason));
    if (second?.contents) findings.push(warning(place(second.contents.range[0]), AFTER_END));
    const at = (path: string) => place(offsetOf(first, path));
    return { documents: value === null ? [] : [{ value, at }], findings };
  } catch (error) {
    return fail(0, reasonOf(error));
  }
}

/** Kubernetes reads one document between two separators. */
const AFTER_END =
  'Kubernetes ignores everything from a line "..." to the next "---"; write "---" instead of "..."';

function compose(text: string, lineCounter: LineCounter): readonly YamlDocument.Parsed[] {
  const parser = new Parser(lineCounter.addNewLine);
  lineCounter.addNewLine(0);
  const composer = new Composer(OPTIONS);
  return [...composer.compose(tokensOf(text, parser))] as YamlDocument.Parsed[];
}

function* tokensOf(text: string, parser: Parser) {
  for (const lexeme of createLexer().lex(text)) yield* parser.next(lexeme);
  yield* parser.end();
}

/**
 * Reason of a failure. Deep nesting overflows the stack in the parser, or later in the code that
 * walks over its result.
 */
function reasonOf(error: unknown): string {
  const isTooDeep =
    error instanceof YAMLError ? error.code === 'RESOURCE_EXHAUSTION' : error instanceof RangeError;
  return isTooDeep ? 'it is nested too deeply' : messageOf(error);
}

function offsetOf(document: YamlDocument.Parsed, path: string): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const step of stepsOf(path)) {
    const pair = isMap(node) ? pairsOf(node).get(step) : undefined;
    node = isSeq(node) ? node.items[Number(step)] : pair?.value;
    const shown = pair?.key ?? node; // show the line of the key, where people look for its value
    if (!isNode(shown) || !shown.range) break;
    offset = shown.range[0];
  }
  return offset;
}

/** Splits a JSON path into keys and indices. */
function stepsOf(path: string): readonly string[] {
  const steps = path.matchAll(/\.([^.[\]]+)|\[(\d+)\]|\["([^"]*)"\]/g);
  return [...steps].map(([, key, index, quoted]) => key ?? index ?? quoted ?? '');
}

const PAIRS = new WeakMap<YAMLMap, ReadonlyMap<string | null, Pair>>();

/**
 * Pairs of a map by key; the last of duplicate keys. Cached, because a map may have as many
 * findings as keys.
 */
function pairsOf(map: YAMLMap): ReadonlyMap<string | null, Pair> {
  const pairs = PAIRS.get(map) ?? new Map(map.items.map((pair) => [keyOf(pair), pair]));
  PAIRS.set(map, pairs);
  return pairs;
}
