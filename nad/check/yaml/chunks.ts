/** One object of a stream, and the line at which it begins. */
export interface Chunk {
  readonly text: string;
  /** Line of its first character, starting at 1. */
  readonly line: number;
}

/**
 * Splits a stream into objects as Kubernetes does: before each line that begins with `---`, even
 * inside a YAML string, and between JSON objects that follow each other, as `jq` prints them. Pure.
 *
 * Source: k8s.io/apimachinery pkg/util/yaml, YAMLOrJSONDecoder
 */
export function* chunksOf(text: string): Iterable<Chunk> {
  let line = 1;
  for (let start = 0; start < text.length; ) {
    const separator = text.indexOf('\n---', start);
    const end = separator === -1 ? text.length : separator + 1;
    for (const part of objectsOf(text.slice(start, end))) {
      if (!/^(?:---)?\s*$/.test(part)) yield { text: part, line };
      line += countLines(part);
    }
    start = end;
  }
}

/** Matches the text before a first JSON object: an optional separator, and white space. */
const JSON_START = /^\ufeff?(?:---[ \t]*(?:#[^\n]*)?\r?\n)?\s*(?=\{)/;

/**
 * Splits a text in which only the first line may be a separator. All parts except the last are JSON
 * objects.
 */
function* objectsOf(text: string): Iterable<string> {
  let start = 0;
  let brace = JSON_START.exec(text)?.[0].length ?? -1;
  while (text[brace] === '{') {
    const end = objectEnd(text, brace);
    if (end === -1) break;
    brace = end + leadingSpace(text, end);
    if (text[brace] === '{') {
      yield text.slice(start, end);
      start = end;
    }
  }
  yield text.slice(start);
}

/** Index after the `}` that closes the object at `start`; -1 if no such bracket exists. */
export function objectEnd(text: string, start: number): number {
  let depth = 0;
  let isQuoted = false;
  for (let i = start; i < text.length; i++) {
    const char = text[i];
    if (char === '"') isQuoted = !isQuoted;
    else if (isQuoted) i += char === '\\' ? 1 : 0;
    else if (char === '{') depth++;
    else if (char === '}' && --depth === 0) return i + 1;
  }
  return -1;
}

function leadingSpace(text: string, start: number): number {
  const space = /\s*/y;
  space.lastIndex = start;
  return space.exec(text)?.[0].length ?? 0;
}

export function countLines(text: string): number {
  let count = 0;
  for (let i = text.indexOf('\n'); i !== -1; i = text.indexOf('\n', i + 1)) count++;
  return count;
}
