/**
 * Returns the first parts of a message that fit into a number of bytes. Nothing follows the first
 * part that does not fit, so that a list keeps its order of importance.
 */
export function fitting(parts: readonly Buffer[], room: number): Buffer[] {
  const fit: Buffer[] = [];
  let left = room;
  for (const part of parts) {
    if (part.length > left) break;
    fit.push(part);
    left -= part.length;
  }
  return fit;
}
