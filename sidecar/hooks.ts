/**
 * The hooks API as virt-launcher speaks it: services, messages and their field numbers, no transport.
 *
 * Source: kubevirt pkg/hooks/info/api_info.proto, pkg/hooks/v1alpha{1,2,3}/api_v1alpha{1,2,3}.proto
 */
import { BindingError } from '../shared/errors.ts';
import { requireBounded } from './json-bounds.ts';
import { bytesOf, type Field, readFields, writeBytes } from './protobuf.ts';

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

/** @throws {BindingError} INVALID_REQUEST when the bytes are not a protobuf message, INVALID_VMI when the VMI is too large */
export function decodeOnDefineDomainParams(message: Uint8Array): OnDefineDomainParams {
  const fields = readFields(message);
  return { domainXml: bytesOf(fields, 1), vmi: vmiOf(fields, 2) };
}

/** A VMI's JSON in that field. @throws {BindingError} INVALID_VMI when it is too large */
export function vmiOf(fields: readonly Field[], number: number): Uint8Array {
  const vmi = bytesOf(fields, number);
  requireBounded(vmi, 'the VMI', 'INVALID_VMI');
  return vmi;
}

export function encodeOnDefineDomainResult(domainXml: Uint8Array): Buffer {
  return writeBytes(1, domainXml);
}

/** Of `PreCloudInitIsoParams` and its result alike; JSON, and empty where virt-launcher has none. */
const CLOUD_INIT_SOURCES = [
  [1, 'cloudInitNoCloudSource'],
  [3, 'cloudInitData'],
] as const;

/**
 * The answer to `PreCloudInitIsoParams` that changes nothing: both sources byte for byte as they came. No error quotes them.
 *
 * @throws {BindingError} INVALID_REQUEST when the bytes are not a protobuf message, or a source is not JSON
 */
export function echoPreCloudInitIso(message: Uint8Array): Buffer {
  const fields = readFields(message);
  const sources = CLOUD_INIT_SOURCES.map(([number, name]) => {
    const source = bytesOf(fields, number);
    if (source.length > 0) requireJson(source, name);
    return writeBytes(number, source);
  });
  return Buffer.concat(sources);
}

function requireJson(json: Uint8Array, name: string): void {
  requireBounded(json, name, 'INVALID_REQUEST');
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    throw new BindingError('INVALID_REQUEST', `Cannot read ${name}: it is not JSON in UTF-8`);
  }
}
