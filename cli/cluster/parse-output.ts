/**
 * Parses the JSON in a pod's output. Lines before and after it are skipped, because a pod's log
 * mixes stdout and stderr. Undefined if there is no JSON. Pure.
 */
export function parseOutput(text: string): unknown {
  const start = Math.min(...['[', '{'].map((bracket) => lineWith(text, bracket)));
  const end = Math.max(text.lastIndexOf(']'), text.lastIndexOf('}')) + 1;
  try {
    return JSON.parse(text.slice(start, end));
  } catch {
    return undefined;
  }
}

/** Start of the first line that begins with a bracket; the text's length if there is none. */
function lineWith(text: string, bracket: string): number {
  if (text.startsWith(bracket)) return 0;
  const before = text.indexOf(`\n${bracket}`);
  return before === -1 ? text.length : before + 1;
}
