import type { V1InterfaceBindingPlugin } from '@kubevirt-ui-ext/kubevirt-api/kubevirt';
import { BindingError } from '../shared/errors.ts';

/** What KubeVirt is told of a binding: the value of `spec.configuration.network.binding.<name>` of its CR. */
export type Plugin = V1InterfaceBindingPlugin;

/** The minor version of a KubeVirt 1.x: fields and gates came and went with those. */
export type Minor = number;

/** 1.1.0 has no `domainAttachmentType`, and trips over a binding without a NAD; 1.1.1 is what we call 1.1. */
export const OLDEST_MINOR: Minor = 1;
/** The newest that these rules were compared with; one still newer is taken for it. */
export const NEWEST_MINOR: Minor = 9;

/** The minor since which KubeVirt knows each field of a plugin. It drops what it does not know, and says nothing. */
export const FIELD_SINCE = {
  sidecarImage: 1,
  networkAttachmentDefinition: 1,
  domainAttachmentType: 1,
  migration: 2,
  downwardAPI: 3,
  computeResourceOverhead: 3,
} as const satisfies Record<keyof Plugin, Minor>;

/** The same for what an interface and a network of a VM got later than 1.1. Source: kubevirt api/core/v1/schema.go, by tag */
export const INTERFACE_FIELD_SINCE = { passtBinding: 8, portRanges: 9 } as const;
export const NETWORK_FIELD_SINCE = { resourceClaim: 9 } as const;

/** The same for the values of `domainAttachmentType`, which KubeVirt does not check either. */
export const ATTACHMENT_SINCE = { tap: 1, managedTap: 4 } as const;

/** Binding plugins are off without this gate up to the minor below, and always on after it. */
export const GATE = 'NetworkBindingPlugins';
export const LAST_GATED_MINOR: Minor = 4;

/** With this gate, a webhook of others asks for the devices that NADs name. It came with one minor, and is on without being named since the other. */
export const INJECTION_GATE = 'ExternalNetResourceInjection';
export const INJECTION_SINCE: Minor = 8;
export const INJECTION_ON_SINCE: Minor = 9;

/**
 * Reads `1.5`, `v1.5.2` or the like.
 *
 * @throws {BindingError} INVALID_CONFIG
 */
export function parseKubevirtVersion(text: string): Minor {
  const [, minor, patch] = /^v?1\.(\d{1,4})(?:\.(\d{1,4})(?:[-+].*)?)?$/.exec(text) ?? [];
  if (minor !== undefined && (Number(minor) > 1 || (minor === '1' && patch !== '0'))) return Number(minor);
  throw new BindingError(
    'INVALID_CONFIG',
    `Cannot read --kubevirt ${JSON.stringify(text)}: want 1.1.1 or a newer version, such as "1.${NEWEST_MINOR}"`,
  );
}
