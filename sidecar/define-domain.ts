import type { Link } from '../shared/rtnetlink/link.ts';
import { type BoundInterface, bindInterfaces } from './domain.ts';
import type { OnDefineDomainParams } from './hooks.ts';
import { aliasOf, tapInterface } from './tap.ts';
import { parseVmi, type Vmi } from './vmi.ts';
import { findWiring } from './wiring.ts';

export interface DefinedDomain {
  readonly domainXml: Uint8Array;
  readonly vmi: Vmi;
}

/**
 * OnDefineDomain: observes the pod's links, decides what each interface of ours looks like, and puts it into the domain.
 *
 * Without an interface of ours the domain comes back as it is, unread. virt-launcher calls this up to three times for one boot, the
 * later times with what it understood of the earlier answer: the result depends on the VMI and the links alone.
 *
 * @param bindings registered names whose interfaces are ours
 * @throws {BindingError} INVALID_VMI, INVALID_DOMAIN, LINK_MISSING, LINK_UNSUPPORTED
 */
export async function defineDomain(
  { domainXml, vmi: vmiJson }: OnDefineDomainParams,
  bindings: readonly string[],
  readLinks: () => Promise<readonly Link[]>,
): Promise<DefinedDomain> {
  const vmi = parseVmi(vmiJson, bindings);
  if (vmi.interfaces.length === 0) return { domainXml, vmi };

  const links = await readLinks();
  const bound = vmi.interfaces.map((one): BoundInterface => {
    const wiring = findWiring(one, links);
    return {
      name: one.name,
      alias: aliasOf(one.name),
      render: (current) => tapInterface(vmi, one, wiring, current),
    };
  });
  return { domainXml: bindInterfaces(domainXml, bound), vmi };
}
