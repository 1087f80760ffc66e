/**
 * The domain of a VM, and its search domains, as KubeVirt's own DHCP server sends them: options 15
 * and 119.
 */
export interface VmDomain {
  /** Longest of the search domains, which is the most specific one; null if there is none. */
  readonly domain: string | null;
  /** In lower case. The domain that the VM's subdomain forms comes first. */
  readonly searchDomains: readonly string[];
}

/**
 * Adds the domain of the VM's headless service to the search domains of the pod, which Kubernetes
 * does not do, and picks the VM's domain from them.
 *
 * @param subdomain `spec.subdomain` of the VMI; empty if unset
 * Source: kubevirt pkg/network/dns/resolveconf.go (DomainNameWithSubdomain, GetDomainName) and
 *   pkg/network/dhcp/configurator.go
 */
export function domainOf(podSearchDomains: readonly string[], subdomain: string): VmDomain {
  const lower = podSearchDomains.map((domain) => domain.toLowerCase());
  const service = longest(lower.filter((domain) => domain.includes('.svc.')));
  const isMissing = subdomain !== '' && service !== null && !service.startsWith(`${subdomain}.`);
  const searchDomains = isMissing ? [`${subdomain}.${service}`, ...lower] : lower;
  return { domain: longest(searchDomains), searchDomains };
}

/** The first of the longest. */
function longest(domains: readonly string[]): string | null {
  let found: string | null = null;
  for (const domain of domains) if (domain.length > (found?.length ?? 0)) found = domain;
  return found;
}
