/**
 * Number of items that a message lists: a pod can have any number of links. The sidecar's messages
 * travel in an HTTP/2 header.
 */
const MAX_LISTED = 20;

/** Lists items for a message: all, or the first ones and how many more there are. */
export function listSome(items: readonly string[], separator = ', ', max = MAX_LISTED): string {
  const rest = items.length - max;
  return [...items.slice(0, max), ...(rest > 0 ? [`and ${rest} more`] : [])].join(separator);
}
