import { isIP } from 'node:net';

/**
 * Returns the search domains of a resolv.conf: those of its last `search` or `domain` line.
 *
 * Source: resolv.conf(5)
 */
export function searchDomainsOf(resolvConf: string): string[] {
  const lines = [...resolvConf.matchAll(/^(?:search|domain)[ \t]+(.*)$/gm)];
  return (lines.at(-1)?.[1] ?? '').split(/[ \t]+/).filter(Boolean);
}

/**
 * Returns the addresses of the name servers of a resolv.conf. Omits those that only the pod itself
 * can reach: on its loopback, and link-local ones with a zone.
 *
 * Source: resolv.conf(5)
 */
export function nameserversOf(resolvConf: string): string[] {
  const addresses = [...resolvConf.matchAll(/^nameserver[ \t]+(\S+)/gm)].map((line) => line[1] ?? '');
  return addresses.filter((address) => isIP(address) !== 0 && !/^127\.|^::1$|%/.test(address));
}
