import { show } from '../shared/decode.ts';
import { BindingError } from '../shared/errors.ts';
import type { OnDefineDomainParams } from '../shared/grpc/hooks_pb.ts';
import { kindOf, pinWarnings } from './bindings/kind.ts';
import { aliasOf } from './bindings/nic.ts';
import { BINDERS } from './bindings/table.ts';
import { bindInterfaces } from './domain/bind-interfaces.ts';
import type { DefinedDomain } from './hooks/server.ts';
import type { Observed } from './pod/observe.ts';
import type { Settings } from './settings.ts';
import { parseVmi, type Vmi } from './vmi/vmi.ts';

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
  settings: Pick<Settings, 'bindings' | 'kind' | 'passtBackend' | 'domainHookSocket'>,
  observe: () => Promise<Pick<Observed, 'links' | 'searchDomains'>>,
): Promise<DefinedDomain> {
  const vmi = parseVmi(vmiJson, settings.bindings);
  if (vmi.interfaces.length === 0) return { domainXml, vmi, warnings: unservedWarnings(vmi, settings) };

  const observed = { ...(await observe()), passtBackend: settings.passtBackend };
  const bound = vmi.interfaces.map((one) => {
    const pinWarning = pinWarnings(one, settings.kind, observed.links);
    const bind = BINDERS[kindOf(one, settings.kind, observed.links)];
    const own = explained(pinWarning, () => bind(vmi, one, observed));
    const warnings = [...pinWarning, ...own.warnings];
    return { name: one.name, alias: aliasOf(one.name), ...own, warnings };
  });
  const warnings = bound.flatMap((one) => one.warnings);
  return { domainXml: bindInterfaces(domainXml, bound), vmi, warnings };
}

/** Adds the warnings to the details of an error, because they may be its cause. */
function explained<T>(warnings: readonly string[], bind: () => T): T {
  try {
    return bind();
  } catch (error) {
    if (!(error instanceof BindingError) || warnings.length === 0) throw error;
    const details = [...warnings, ...(error.details === undefined ? [] : [error.details])].join('; ');
    throw new BindingError(error.code, error.message, { details, cause: error });
  }
}

/** Maximum number of names in a warning. The VMI can have thousands. */
const MAX_NAMES_SHOWN = 10;

/**
 * Warns if the sidecar serves no interface of the VM. KubeVirt starts a sidecar only for a binding
 * that the VM has, so the image serves other names than the one it is registered for. An
 * administrator can add the sidecar of a Plugin to any pod, so it does not warn.
 */
function unservedWarnings({ otherBindings }: Vmi, settings: Pick<Settings, 'bindings' | 'domainHookSocket'>) {
  if (otherBindings.length === 0 || settings.domainHookSocket !== null) return [];
  const quote = (names: readonly string[]) => {
    const shown = names.slice(0, MAX_NAMES_SHOWN).map(show);
    return [...shown, ...(names.length > shown.length ? ['...'] : [])].join(', ');
  };
  return [
    `the VM has no interface of the bindings that this sidecar serves (${quote(settings.bindings)}), only of ${quote(otherBindings)}; ` +
      'if sidecarImage of one of those names this image, use the image without a binding in its tag, or set TAPWIRE_BINDING_NAMES in the image',
  ];
}
