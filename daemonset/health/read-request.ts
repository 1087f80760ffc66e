/** A request without its headers, which no endpoint needs. */
export interface Request {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
}

/** Maximum size of a request line with all headers, in bytes. Prometheus sends some 500. */
export const MAX_HEAD = 8 * 1024;

const END = '\r\n\r\n';
const REQUEST_LINE = /^([A-Z]+) ([^\s?]+)(?:\?\S*)? HTTP\/1\.[01]\r\n/;

/**
 * Reads one HTTP/1 request, and ignores all bytes after its headers: a body, or another request.
 *
 * @param bytes everything that the client has sent so far
 * @returns `incomplete` to wait for more bytes
 */
export function readRequest(bytes: Buffer): Request | 'incomplete' | 'invalid' | 'too long' {
  const head = bytes.subarray(0, MAX_HEAD).toString('latin1');
  const end = head.indexOf(END);
  if (end === -1) return bytes.length < MAX_HEAD ? 'incomplete' : 'too long';
  const [, method, path] = REQUEST_LINE.exec(head) ?? [];
  return method === undefined || path === undefined ? 'invalid' : { method, path };
}
