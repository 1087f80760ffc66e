import { BindingError } from '../../shared/errors.ts';
import { decodeRequest } from '../../shared/grpc/decode-request.ts';
import {
  InfoParams,
  type OnDefineDomainParams,
  type PreCloudInitIsoParams,
  ShutdownParams,
} from '../../shared/grpc/hooks_pb.ts';
import { log } from '../../shared/log.ts';
import type { Vmi } from '../vmi/vmi.ts';
import { createGrpcServer, type GrpcServer, type Handler } from './grpc-server.ts';
import {
  callbacksService,
  decodeOnDefineDomainParams,
  decodePreCloudInitIsoParams,
  encodeInfoResult,
  encodeOnDefineDomainResult,
  encodePreCloudInitIsoResult,
  encodeShutdownResult,
  HOOK_METHODS,
  HOOK_VERSIONS,
  type HookMethod,
  type HookVersion,
  INFO_SERVICE,
} from './hooks-api.ts';
import { DOMAIN_HOOK_SERVICE, decodeMutateDomainRequest, encodeMutateDomainResponse } from './plugin-api.ts';
import { toStatus } from './status.ts';

/** Functions that the hook server calls. */
export interface Hooks {
  readonly defineDomain: (params: OnDefineDomainParams) => Promise<DefinedDomain>;
  /** Whether Info announces PreCloudInitIso. */
  readonly announcesCloudInit: boolean;
  /** Without it, cloud-init data are returned unchanged. */
  readonly addCloudInit?: (params: PreCloudInitIsoParams) => Promise<PreparedCloudInit>;
  /**
   * Called when virt-launcher reports that the VM has shut down. The response is sent afterwards.
   */
  readonly onShutdown: () => void;
}

const INFO_NAME = 'tapwire';

/** A method of a service. Errors are thrown. */
type Method = (request: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/**
 * Creates a gRPC server with Info, every version of Callbacks, and DomainHookService. It does not
 * listen yet.
 */
export function createHookServer(hooks: Hooks): GrpcServer {
  const methods = new Map<string, Handler>();
  const add = (service: string, name: string, method: Method) =>
    methods.set(`/${service}/${name}`, toHandler(name, method));
  add(INFO_SERVICE, 'Info', (request) => respondToInfo(request, hooks));
  for (const version of HOOK_VERSIONS) {
    const callbacks = callbacksOf(version, hooks);
    for (const name of HOOK_METHODS[version]) add(callbacksService(version), name, callbacks[name]);
  }
  add(DOMAIN_HOOK_SERVICE, 'MutateDomain', async (request) => {
    const { context, ...params } = decodeMutateDomainRequest(request);
    return encodeMutateDomainResponse(await define(params, hooks, { version: 'plugins v1alpha1', context }));
  });
  return createGrpcServer(methods);
}

function respondToInfo(request: Uint8Array, { announcesCloudInit }: Hooks): Uint8Array {
  decodeRequest(InfoParams, request);
  return encodeInfoResult(INFO_NAME, announcesCloudInit);
}

function callbacksOf(version: HookVersion, hooks: Hooks): Record<HookMethod, Method> {
  return {
    OnDefineDomain: async (request) =>
      encodeOnDefineDomainResult(await define(decodeOnDefineDomainParams(request), hooks, { version })),
    PreCloudInitIso: (request) => prepare(decodePreCloudInitIsoParams(request), hooks, version),
    Shutdown(request) {
      decodeRequest(ShutdownParams, request);
      hooks.onShutdown();
      return encodeShutdownResult();
    },
  };
}

/** Returns the changed domain. Logs the change, with `logFields`. */
async function define(params: OnDefineDomainParams, hooks: Hooks, logFields: object): Promise<Uint8Array> {
  const started = performance.now();
  const { domainXml, vmi } = await hooks.defineDomain(params);
  log('info', 'Defined domain', {
    ...logFields,
    vmi: `${vmi.namespace}/${vmi.name}`,
    interfaces: vmi.interfaces.map(({ name }) => name),
    ms: Math.round((performance.now() - started) * 100) / 100,
  });
  return domainXml;
}

/** Returns the cloud-init data. Logs that they were changed, never the data. */
async function prepare(
  params: PreCloudInitIsoParams,
  hooks: Hooks,
  version: HookVersion,
): Promise<Uint8Array> {
  if (hooks.addCloudInit === undefined) return encodePreCloudInitIsoResult(params);
  const { cloudInitData, interfaces } = await hooks.addCloudInit(params);
  if (interfaces.length > 0) log('info', 'Added a cloud-init network config', { version, interfaces });
  return encodePreCloudInitIsoResult({ ...params, cloudInitData });
}

/** Turns errors of the method into a gRPC status and a line in the log. */
function toHandler(name: string, method: Method): Handler {
  return async (request) => {
    try {
      return await method(request);
    } catch (error) {
      const failure = toStatus(error);
      const code = error instanceof BindingError ? error.code : 'INTERNAL';
      log('error', failure.details, { method: name, code });
      return failure;
    }
  };
}

export interface DefinedDomain {
  readonly domainXml: Uint8Array;
  readonly vmi: Vmi;
  /** Sentences for the administrator. */
  readonly warnings: readonly string[];
}

export interface PreparedCloudInit {
  /** The bytes of the request, unless a network config was added. */
  readonly cloudInitData: Uint8Array;
  /** Names of the interfaces that a network config was added for; empty if none was added. */
  readonly interfaces: readonly string[];
  /** Sentences for the administrator. */
  readonly warnings: readonly string[];
}
