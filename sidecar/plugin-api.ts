/**
 * The structured plugins API (KubeVirt 1.9, feature gate Plugins): the newer way to change a domain, with the hooks API's content.
 *
 * Source: kubevirt pkg/hooks/plugins/v1alpha1/api.proto, VEP 190
 */
import { BindingError } from '../shared/errors.ts';
import { type OnDefineDomainParams, vmiOf } from './hooks.ts';
import { bytesOf, readFields, writeBytes } from './protobuf.ts';

export const DOMAIN_HOOK_SERVICE = 'kubevirt.hooks.plugins.v1alpha1.DomainHookService';

export interface MutateDomainRequest extends OnDefineDomainParams {
  /** `Boot`, `MigrationSource` or `MigrationTarget`. */
  readonly context: string;
}

const DOMAIN_TYPE = 'libvirt';
const MAX_TEXT_SHOWN = 64; // characters

/**
 * @throws {BindingError} INVALID_REQUEST when the bytes are no protobuf message, or the domain is not libvirt's; INVALID_VMI when the
 *   VMI is too large
 */
export function decodeMutateDomainRequest(message: Uint8Array): MutateDomainRequest {
  const fields = readFields(message);
  const type = textOf(bytesOf(fields, 1));
  if (type !== DOMAIN_TYPE) {
    throw new BindingError(
      'INVALID_REQUEST',
      `Cannot change a domain of type ${JSON.stringify(type)}: want "${DOMAIN_TYPE}"`,
    );
  }
  const context = textOf(bytesOf(readFields(bytesOf(fields, 4)), 1));
  return { domainXml: bytesOf(fields, 2), vmi: vmiOf(fields, 3), context };
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8').slice(0, MAX_TEXT_SHOWN);

export function encodeMutateDomainResponse(domainXml: Uint8Array): Buffer {
  return writeBytes(1, domainXml);
}
