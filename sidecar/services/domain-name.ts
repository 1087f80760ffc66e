const MAX_LABEL = 63;
const MAX_NAME = 255;

/**
 * Encodes a domain name as a sequence of labels, without compression; null if it is not a name. A
 * search domain of the pod may have any form: resolvers only ignore those that they cannot use.
 *
 * Source: RFC 1035 §3.1
 */
export function encodeDomain(name: string): Buffer | null {
  const labels = name
    .replace(/\.$/, '')
    .split('.')
    .map((label) => Buffer.from(label));
  if (labels.some(({ length }) => length === 0 || length > MAX_LABEL)) return null;
  const encoded = Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), label]),
    Buffer.alloc(1),
  ]);
  return encoded.length <= MAX_NAME ? encoded : null;
}
