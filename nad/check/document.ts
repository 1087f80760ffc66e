import {
  isMap,
  isNode,
  isSeq,
  LineCounter,
  parseAllDocuments,
  YAMLError,
  type Document as YamlDocument,
} from 'yaml';
import { messageOf } from '../../shared/errors.ts';
import { type Finding, failure, type Place } from './finding.ts';

/** One document of a file of YAML or JSON. */
export interface Document {
  readonly value: unknown;
  /** Where the value at a JSON path (`$.spec.networks[0]`) is; of one that is not there, where its nearest parent is. */
  readonly at: (path: string) => Place;
}

export interface Parsed {
  readonly documents: readonly Document[];
  /** What could not be parsed. */
  readonly findings: readonly Finding[];
}

/** Clusters with thousands of VMs are smaller, and so is the memory that parsing takes. UTF-16 units. */
const MAX_LENGTH = 16 * 2 ** 20;
/** Aliases may multiply a document; those that people write have a few. */
const MAX_ALIASES = 1000;

/** As Kubernetes reads: merge keys are followed, as in YAML 1.1; `yes` and `0o7` are strings, and no key is there twice. */
const OPTIONS = { merge: true, prettyErrors: false, logLevel: 'silent' } as const;

/** Parses every document of a file. Pure. */
export function parseDocuments(file: string, text: string): Parsed {
  const lineCounter = new LineCounter();
  const place = (offset: number): Place => ({ file, line: Math.max(lineCounter.linePos(offset).line, 1) });
  const fail = (offset: number, reason: string) =>
    failure(place(offset), `Cannot parse "${file}": ${reason}`);
  if (text.length > MAX_LENGTH) {
    const reason = `it has ${text.length} characters; split it into files of at most ${MAX_LENGTH}`;
    return { documents: [], findings: [fail(0, reason)] };
  }
  const documents: Document[] = [];
  const findings: Finding[] = [];
  try {
    for (const parsed of parseAllDocuments(text, { ...OPTIONS, lineCounter })) {
      const [error] = parsed.errors;
      const value = error === undefined ? parsed.toJS({ maxAliasCount: MAX_ALIASES }) : null;
      if (error !== undefined) findings.push(fail(error.pos[0], reasonOf(error)));
      else if (value !== null) documents.push({ value, at: (path) => place(offsetOf(parsed, path)) });
    }
  } catch (error) {
    findings.push(fail(0, reasonOf(error)));
  }
  return { documents, findings };
}

/** Brackets may be deeper than the stack. The parser tells so, or else what walks over its result. */
function reasonOf(error: unknown): string {
  const isTooDeep =
    error instanceof YAMLError ? error.code === 'RESOURCE_EXHAUSTION' : error instanceof RangeError;
  return isTooDeep ? 'it is nested too deeply' : messageOf(error);
}

function offsetOf(document: YamlDocument.Parsed, path: string): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const step of stepsOf(path)) {
    const pair = isMap(node) ? node.items.find(({ key }) => String(key) === step) : undefined;
    node = isSeq(node) ? node.items[Number(step)] : pair?.value;
    const shown = pair?.key ?? node; // people look for a value where its key is
    if (!isNode(shown) || !shown.range) break;
    offset = shown.range[0];
  }
  return offset;
}

/** The keys and indices of a path. A key with a dot in it is not found, and its parent shown instead. */
function stepsOf(path: string): readonly string[] {
  return [...path.matchAll(/\.([^.[\]]+)|\[(\d+)\]/g)].map(([, key, index]) => key ?? index ?? '');
}
