import type { OnDefineDomainParams } from '../shared/grpc/hooks_pb.ts';
import { kindOf, kindWarnings } from './bindings/kind.ts';
import { aliasOf } from './bindings/nic.ts';
import { BINDERS } from './bindings/table.ts';
import { bindInterfaces } from './domain/bind-interfaces.ts';
import type { DefinedDomain } from './hooks/server.ts';
import type { Observed } from './pod/observe.ts';
import type { Settings } from './settings.ts';
import { parseVmi } from './vmi/vmi.ts';

/**
 * Handles OnDefineDomain: observes the pod, decides how each interface with one of Tapwire's
 * bindings looks, and writes these interfaces into the domain.
 *
 * If there is no such interface, the domain is returned unread and unchanged. virt-launcher calls
 * this up to three times while a VM boots, the later times with the parts of the previous
 * response that it understood. So the result depends only on the VMI and the pod.
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
  const mismatches = vmi.interfaces.flatMap((one) =>
    kindWarnings(one, settings.kind, observed.links).map((text) => `Interface "${one.name}": ${text}`),
  );
  const warnings = [...mismatches, ...bound.flatMap((one) => one.warnings)];
  return { domainXml: bindInterfaces(domainXml, bound), vmi, warnings };
}
