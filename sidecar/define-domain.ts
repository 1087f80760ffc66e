import type { OnDefineDomainParams } from '../shared/grpc/hooks_pb.ts';
import { kindOf } from './bindings/kind.ts';
import { aliasOf } from './bindings/nic.ts';
import { BINDERS } from './bindings/table.ts';
import { bindInterfaces } from './domain/bind-interfaces.ts';
import type { DefinedDomain } from './hooks/server.ts';
import type { Observed } from './pod/observe.ts';
import type { Settings } from './settings.ts';
import { parseVmi } from './vmi/vmi.ts';

/**
 * OnDefineDomain: observes the pod, decides what each interface of ours looks like, and puts it into the domain.
 *
 * Without an interface of ours the domain comes back as it is, unread. virt-launcher calls this up to three times for one boot, the
 * later times with what it understood of the earlier answer: the result depends on the VMI and the pod alone.
 *
 * @throws {BindingError} INVALID_VMI, INVALID_DOMAIN, LINK_MISSING, LINK_UNSUPPORTED
 */
export async function defineDomain(
  { domainXml, vmi: vmiJson }: OnDefineDomainParams,
  settings: Pick<Settings, 'bindings' | 'kind' | 'passtBackend'>,
  observe: () => Promise<Pick<Observed, 'links' | 'searchDomains'>>,
): Promise<DefinedDomain> {
  const vmi = parseVmi(vmiJson, settings.bindings);
  if (vmi.interfaces.length === 0) return { domainXml, vmi, warnings: [] };

  const observed = { ...(await observe()), passtBackend: settings.passtBackend };
  const bound = vmi.interfaces.map((one) => {
    const bind = BINDERS[kindOf(one, settings.kind, observed.links)];
    return { name: one.name, alias: aliasOf(one.name), ...bind(vmi, one, observed) };
  });
  const warnings = bound.flatMap((one) => one.warnings);
  return { domainXml: bindInterfaces(domainXml, bound), vmi, warnings };
}
