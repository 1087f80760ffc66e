/**
 * Returns the search domains of a resolv.conf: those of its last `search` or `domain` line.
 *
 * Source: resolv.conf(5)
 */
export function searchDomainsOf(resolvConf: string): string[] {
  const lines = [...resolvConf.matchAll(/^(?:search|domain)[ \t]+(.*)$/gm)];
  return (lines.at(-1)?.[1] ?? '').split(/[ \t]+/).filter(Boolean);
}
