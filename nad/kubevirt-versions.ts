import type { V1InterfaceBindingPlugin } from '@kubevirt-ui-ext/kubevirt-api/kubevirt';
import { BindingError } from '../shared/errors.ts';

/** A registration: the value of `spec.configuration.network.binding.<name>` in the KubeVirt CR. */
export type Plugin = V1InterfaceBindingPlugin;

/** Minor version of a KubeVirt 1.x. Fields and feature gates change only with minor versions. */
export type Minor = number;

/**
 * Oldest supported minor version; 1 means 1.1.1. KubeVirt 1.1.0 has no `domainAttachmentType`, and
 * fails on a binding without a NAD.
 */
export const OLDEST_MINOR: Minor = 1;
/**
 * Newest KubeVirt whose source these rules were compared with. Newer versions are treated like it.
 */
export const NEWEST_MINOR: Minor = 9;

/**
 * Minor version of the HyperConverged operator minus that of the KubeVirt that it manages: 1.11
 * manages KubeVirt 1.1, 1.19 manages 1.9.
 *
 * Source: hyperconverged-cluster-operator hack/config, by tag
 */
export const HCO_AHEAD = 10;

/**
 * First minor version that knows each field of a registration. KubeVirt silently drops unknown
 * fields.
 */
export const FIELD_SINCE = {
  sidecarImage: 1,
  networkAttachmentDefinition: 1,
  domainAttachmentType: 1,
  migration: 2,
  downwardAPI: 3,
  computeResourceOverhead: 3,
} as const satisfies Record<keyof Plugin, Minor>;

/**
 * The same for fields of a VM's interfaces and networks that are newer than 1.1.
 *
 * Source: kubevirt api/core/v1/schema.go, by tag
 */
export const INTERFACE_FIELD_SINCE = { passtBinding: 8, portRanges: 9 } as const;
export const NETWORK_FIELD_SINCE = { resourceClaim: 9 } as const;

/** The same for values of `domainAttachmentType`. KubeVirt does not check these either. */
export const ATTACHMENT_SINCE = { tap: 1, managedTap: 4 } as const;

/**
 * Feature gate of binding plugins. It is needed up to the minor version below; newer versions have
 * them always on.
 */
export const GATE = 'NetworkBindingPlugins';
export const LAST_GATED_MINOR: Minor = 4;

/**
 * With this feature gate, KubeVirt leaves it to an external webhook to request the devices that
 * NADs name. The first minor version below introduced the gate; since the second, it is on by
 * default.
 */
export const INJECTION_GATE = 'ExternalNetResourceInjection';
export const INJECTION_SINCE: Minor = 8;
export const INJECTION_ON_SINCE: Minor = 9;

/**
 * Parses a KubeVirt version, such as `1.5` or `v1.5.2`, to its minor version.
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
