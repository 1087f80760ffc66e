import { Composer, CST, LineCounter, Parser, YAMLError, type Document as YamlDocument } from 'yaml';
import { messageOf } from '../../shared/errors.ts';
import { type Finding, failure, type Place, warning } from './finding.ts';
import { Budget } from './yaml/budget.ts';
import { type Chunk, chunksOf } from './yaml/chunks.ts';
import { keyDefectsOf } from './yaml/keys.ts';
import { createLexer } from './yaml/lexer.ts';
import { lineAtPath, linesOf } from './yaml/lines.ts';
import { itemsOf } from './yaml/list-items.ts';
import { OPTIONS } from './yaml/schema.ts';

/** One document of a YAML or JSON file, or an item of a list that kubectl printed. */
export interface Document {
  readonly value: unknown;
  /**
   * Finds the place of the value at a JSON path (`$.spec.networks[0]`, `$.a["b.c"]`), or else of
   * its nearest existing parent.
   */
  readonly at: (path: string) => Place;
}

/** Most resolved aliases of an anchor. Hostile ones multiply a document; real files have a few. */
const MAX_ALIASES = 1000;

export interface Parsed {
  readonly documents: readonly Document[];
  /** Syntax errors, and text that Kubernetes reads in another way than it looks. */
  readonly findings: readonly Finding[];
}

/**
 * Parses every document of a file, as Kubernetes does. Pure, except for the budget.
 *
 * @param budget what all files together may cost
 */
export function parseDocuments(file: string, text: string, budget = new Budget()): Parsed {
  const documents: Document[] = [];
  const findings: Finding[] = [];
  for (const chunk of chunksOf(text)) {
    const parsed = parseItems(file, chunk, budget);
    if (budget.isSpent) return { documents: [], findings: parsed.findings };
    for (const document of parsed.documents) documents.push(document);
    for (const finding of parsed.findings) findings.push(finding);
  }
  return { documents, findings };
}

/**
 * Parses a list in kubectl's form item by item, and any other text as a whole. If an item has an
 * error, another item may explain it. So the list is then parsed as a whole, and the item's error
 * counts only if the whole has one: that may be only that the list is too large to be parsed so.
 */
function parseItems(file: string, chunk: Chunk, budget: Budget): Parsed {
  const documents: Document[] = [];
  const findings: Finding[] = [];
  for (const item of itemsOf(chunk) ?? [chunk]) {
    const parsed = parseChunk(file, item, budget);
    if (budget.isSpent) return parsed;
    if (hasError(parsed)) {
      const whole = item === chunk ? parsed : parseChunk(file, chunk, budget);
      return hasError(whole) ? parsed : whole;
    }
    for (const document of parsed.documents) documents.push(document);
    for (const finding of parsed.findings) findings.push(finding);
  }
  return { documents, findings };
}

const hasError = ({ findings }: Parsed): boolean => findings.some(({ severity }) => severity === 'error');

function parseChunk(file: string, chunk: Chunk, budget: Budget): Parsed {
  const lineCounter = new LineCounter();
  const lineAt = (offset: number): number => chunk.line - 1 + Math.max(lineCounter.linePos(offset).line, 1);
  const place = (offset: number): Place => ({ file, line: lineAt(offset) });
  const fail = (offset: number, reason: string): Parsed => ({
    documents: [],
    findings: [failure(place(offset), `Cannot parse "${file}": ${reason}`)],
  });
  try {
    budget.begin(chunk.text.length);
    const [first, second] = compose(chunk.text, lineCounter, budget);
    const [error] = first?.errors ?? [];
    if (first === undefined) return { documents: [], findings: [] };
    if (error !== undefined) return fail(error.pos[0], reasonOf(error));
    const value: unknown = first.toJS({ maxAliasCount: MAX_ALIASES });
    const defects = keyDefectsOf(first.contents);
    const broken = defects.find(({ severity }) => severity === 'error');
    if (broken !== undefined) return fail(broken.offset, broken.reason);
    const findings = defects.map(({ offset, reason }) => warning(place(offset), reason));
    if (second?.contents) findings.push(warning(place(second.contents.range[0]), AFTER_END));
    if (value === null) return { documents: [], findings };
    const lines = linesOf(first.contents, lineAt);
    const at = (path: string): Place => ({ file, line: lineAtPath(lines, path) });
    return { documents: [{ value, at }], findings };
  } catch (error) {
    return fail(0, reasonOf(error));
  }
}

/** Kubernetes reads one document between two separators. */
const AFTER_END =
  'Kubernetes ignores everything from a line "..." to the next "---"; write "---" instead of "..."';

function compose(text: string, lineCounter: LineCounter, budget: Budget): readonly YamlDocument.Parsed[] {
  const parser = new Parser((offset) => {
    budget.spend(1);
    lineCounter.addNewLine(offset);
  });
  lineCounter.addNewLine(0);
  const composer = new Composer(OPTIONS);
  return [...composer.compose(tokensOf(text, parser, budget))] as YamlDocument.Parsed[];
}

/** Lexemes that may begin a list or a map, and what each costs: about three times a word. */
const OPENING: ReadonlySet<string> = new Set(['[', '{', '-']);
const COLLECTION = 3;

/** Lexeme before each plain or block scalar, which may begin with any character. */
const SCALAR = CST.SCALAR;

function* tokensOf(text: string, parser: Parser, budget: Budget) {
  let before = '';
  for (const lexeme of createLexer().lex(text)) {
    if (lexeme.startsWith('*') && before !== SCALAR) budget.repeat();
    else budget.spend(OPENING.has(lexeme) ? COLLECTION : 1);
    before = lexeme;
    yield* parser.next(lexeme);
  }
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
