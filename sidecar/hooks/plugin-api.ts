/**
 * The API of KubeVirt's structured plugins (KubeVirt 1.9, feature gate Plugins): a newer way to
 * change a domain, with the same content as the hooks API. These plugins are Plugin resources of
 * KubeVirt, not CNI plugins.
 *
 * Source: kubevirt pkg/hooks/plugins/v1alpha1/api.proto, VEP 190
 */
import { BindingError } from '../../shared/errors.ts';
import { decodeRequest } from '../../shared/grpc/decode-request.ts';
import {
  MutateDomainRequest,
  MutateDomainResponse,
  type OnDefineDomainParams,
} from '../../shared/grpc/hooks_pb.ts';
import { requireBoundedVmi } from './hooks-api.ts';

export const DOMAIN_HOOK_SERVICE = 'kubevirt.hooks.plugins.v1alpha1.DomainHookService';

export interface MutateDomainParams extends OnDefineDomainParams {
  /** Occasion of the call: `Boot`, `MigrationSource` or `MigrationTarget`. */
  readonly context: string;
}

const DOMAIN_TYPE = 'libvirt';
/** Maximum length in characters of request text in logs and messages. */
const MAX_TEXT_SHOWN = 64;

/**
 * Decodes a request.
 *
 * @throws {BindingError} INVALID_REQUEST if the bytes are not a protobuf message, or the domain is
 *   not one of libvirt; INVALID_VMI if the VMI is too large
 */
export function decodeMutateDomainRequest(message: Uint8Array): MutateDomainParams {
  const { domainType, domain, vmi, sidecarContext } = decodeRequest(MutateDomainRequest, message);
  if (domainType !== DOMAIN_TYPE) {
    const shown = JSON.stringify(domainType.slice(0, MAX_TEXT_SHOWN));
    throw new BindingError(
      'INVALID_REQUEST',
      `Cannot change a domain of type ${shown}: want "${DOMAIN_TYPE}"`,
    );
  }
  requireBoundedVmi(vmi);
  const context = sidecarContext?.invocationContext.slice(0, MAX_TEXT_SHOWN) ?? '';
  return { domainXml: domain, vmi, context };
}

export function encodeMutateDomainResponse(domainXml: Uint8Array): Uint8Array {
  return MutateDomainResponse.encode({ domain: domainXml }).finish();
}
