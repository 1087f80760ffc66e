/**
 * The hooks API that virt-launcher uses: its services, methods, requests and responses, without the
 * transport.
 *
 * Source: kubevirt pkg/hooks/info/api_info.proto, pkg/hooks/v1alpha{1,2,3}/api_v1alpha{1,2,3}.proto
 */
import { BindingError } from '../../shared/errors.ts';
import { decodeRequest } from '../../shared/grpc/decode-request.ts';
import {
  InfoResult,
  OnDefineDomainParams,
  OnDefineDomainResult,
  PreCloudInitIsoParams,
  PreCloudInitIsoResult,
  ShutdownResult,
} from '../../shared/grpc/hooks_pb.ts';
import { requireBounded } from '../../shared/json-bounds.ts';

export const INFO_SERVICE = 'kubevirt.hooks.info.Info';

/**
 * Versions that Info announces. virt-launcher uses the first of v1alpha3, v1alpha2 and v1alpha1
 * that it finds among them.
 */
export const HOOK_VERSIONS = ['v1alpha3', 'v1alpha2', 'v1alpha1'] as const;
export type HookVersion = (typeof HOOK_VERSIONS)[number];

export type HookMethod = 'OnDefineDomain' | 'PreCloudInitIso' | 'Shutdown';

export function callbacksService(version: HookVersion): string {
  return `kubevirt.hooks.${version}.Callbacks`;
}

/** Methods of `Callbacks` in each version. */
export const HOOK_METHODS = {
  v1alpha1: ['OnDefineDomain'],
  v1alpha2: ['OnDefineDomain', 'PreCloudInitIso'],
  v1alpha3: ['OnDefineDomain', 'PreCloudInitIso', 'Shutdown'],
} as const satisfies Record<HookVersion, readonly HookMethod[]>;

/**
 * Encodes the response to Info. Every hook has priority 0.
 *
 * @param announcesCloudInit whether PreCloudInitIso is one of the hooks. virt-launcher uses only
 *   the response of the first sidecar that announces it, so an unchanged copy from Tapwire could
 *   displace the response of another sidecar
 */
export function encodeInfoResult(name: string, announcesCloudInit: boolean): Uint8Array {
  const hooks: readonly HookMethod[] = [
    'OnDefineDomain',
    ...(announcesCloudInit ? (['PreCloudInitIso'] as const) : []),
    'Shutdown',
  ];
  const hookPoints = hooks.map((hook) => ({ name: hook, priority: 0 }));
  return InfoResult.encode({ name, hookPoints, versions: [...HOOK_VERSIONS] }).finish();
}

/**
 * @throws {BindingError} INVALID_REQUEST if the bytes are not a protobuf message, INVALID_VMI if
 *   the VMI is too large
 */
export function decodeOnDefineDomainParams(message: Uint8Array): OnDefineDomainParams {
  const params = decodeRequest(OnDefineDomainParams, message);
  requireBoundedVmi(params.vmi);
  return params;
}

/** @throws {BindingError} INVALID_VMI if the VMI's JSON is too large */
export function requireBoundedVmi(vmi: Uint8Array): void {
  requireBounded(vmi, 'the VMI', 'INVALID_VMI');
}

export function encodeOnDefineDomainResult(domainXml: Uint8Array): Uint8Array {
  return OnDefineDomainResult.encode({ domainXml }).finish();
}

export function encodeShutdownResult(): Uint8Array {
  return ShutdownResult.encode({}).finish();
}

const CLOUD_INIT_SOURCES = ['cloudInitNoCloudSource', 'cloudInitData'] as const;

/**
 * Decodes a request of PreCloudInitIso. No error quotes the sources, because they can contain
 * secrets.
 *
 * @throws {BindingError} INVALID_REQUEST if the bytes are not a protobuf message, or a source is
 *   not JSON; INVALID_VMI if the VMI is too large
 */
export function decodePreCloudInitIsoParams(message: Uint8Array): PreCloudInitIsoParams {
  const params = decodeRequest(PreCloudInitIsoParams, message);
  for (const name of CLOUD_INIT_SOURCES) if (params[name].length > 0) requireJson(params[name], name);
  requireBoundedVmi(params.vmi);
  return params;
}

/** Encodes both sources, byte for byte. */
export function encodePreCloudInitIsoResult({
  cloudInitNoCloudSource,
  cloudInitData,
}: Pick<PreCloudInitIsoParams, (typeof CLOUD_INIT_SOURCES)[number]>): Uint8Array {
  return PreCloudInitIsoResult.encode({ cloudInitNoCloudSource, cloudInitData }).finish();
}

function requireJson(json: Uint8Array, name: string): void {
  requireBounded(json, name, 'INVALID_REQUEST');
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    throw new BindingError('INVALID_REQUEST', `Cannot read ${name}: it is not JSON in UTF-8`);
  }
}
