/**
 * The hooks API as virt-launcher speaks it: services, messages and their field numbers, no transport.
 *
 * Source: kubevirt pkg/hooks/info/api_info.proto, pkg/hooks/v1alpha{1,2,3}/api_v1alpha{1,2,3}.proto
 */
import { bytesOf, readFields, writeBytes } from './protobuf.ts';

export const INFO_SERVICE = 'kubevirt.hooks.info.Info';

/** virt-launcher takes the first of v1alpha3, v1alpha2, v1alpha1 that it finds in Info's answer. */
export const HOOK_VERSIONS = ['v1alpha3', 'v1alpha2', 'v1alpha1'] as const;
export type HookVersion = (typeof HOOK_VERSIONS)[number];

export type HookMethod = 'OnDefineDomain' | 'PreCloudInitIso' | 'Shutdown';

export function callbacksService(version: HookVersion): string {
  return `kubevirt.hooks.${version}.Callbacks`;
}

/** What `Callbacks` serves in each version. */
export const HOOK_METHODS = {
  v1alpha1: ['OnDefineDomain'],
  v1alpha2: ['OnDefineDomain', 'PreCloudInitIso'],
  v1alpha3: ['OnDefineDomain', 'PreCloudInitIso', 'Shutdown'],
} as const satisfies Record<HookVersion, readonly HookMethod[]>;

/**
 * What Info announces. Not PreCloudInitIso: virt-launcher uses the first sidecar's answer alone, so an echo of ours could
 * displace the answer of a sidecar that has one to give.
 */
const ANNOUNCED_HOOKS = ['OnDefineDomain', 'Shutdown'] as const satisfies readonly HookMethod[];

export interface OnDefineDomainParams {
  /** XML, UTF-8. */
  readonly domainXml: Uint8Array;
  /** JSON, UTF-8: metadata, spec and status. */
  readonly vmi: Uint8Array;
}

/** `InfoResult`: every announced hook with priority 0, which proto3 leaves out. */
export function encodeInfoResult(name: string): Buffer {
  return Buffer.concat([
    writeBytes(1, name),
    ...ANNOUNCED_HOOKS.map((hook) => writeBytes(3, writeBytes(1, hook))),
    ...HOOK_VERSIONS.map((version) => writeBytes(4, version)),
  ]);
}

/** @throws {BindingError} INVALID_REQUEST when the bytes are not a protobuf message */
export function decodeOnDefineDomainParams(message: Uint8Array): OnDefineDomainParams {
  const fields = readFields(message);
  return { domainXml: bytesOf(fields, 1), vmi: bytesOf(fields, 2) };
}

export function encodeOnDefineDomainResult(domainXml: Uint8Array): Buffer {
  return writeBytes(1, domainXml);
}

/**
 * The answer to `PreCloudInitIsoParams` that changes nothing: `cloudInitNoCloudSource` (1) and `cloudInitData` (3) as they came.
 *
 * @throws {BindingError} INVALID_REQUEST when the bytes are not a protobuf message
 */
export function echoPreCloudInitIso(message: Uint8Array): Buffer {
  const fields = readFields(message);
  return Buffer.concat([1, 3].map((number) => writeBytes(number, bytesOf(fields, number))));
}
