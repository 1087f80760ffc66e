import { BindingError } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import type { DefinedDomain } from './define-domain.ts';
import type { Handler } from './grpc-call.ts';
import { createGrpcServer, type GrpcServer } from './grpc-server.ts';
import {
  callbacksService,
  decodeOnDefineDomainParams,
  echoPreCloudInitIso,
  encodeInfoResult,
  encodeOnDefineDomainResult,
  HOOK_METHODS,
  HOOK_VERSIONS,
  type HookMethod,
  type HookVersion,
  INFO_SERVICE,
  type OnDefineDomainParams,
} from './hooks.ts';
import { readFields } from './protobuf.ts';
import { toStatus } from './status.ts';

/** What the hook server needs of the program around it. */
export interface Hooks {
  readonly defineDomain: (params: OnDefineDomainParams) => Promise<DefinedDomain>;
  /** Called when virt-launcher says that the VM is gone. The answer is still to be sent. */
  readonly onShutdown: () => void;
}

const INFO_NAME = 'tapwire';

/** A method as a plain function that returns or throws. */
type Method = (request: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** A gRPC server with Info and every version of Callbacks, bound to nothing yet. */
export function createHookServer(hooks: Hooks): GrpcServer {
  const methods = new Map<string, Handler>();
  const add = (service: string, name: string, method: Method) =>
    methods.set(`/${service}/${name}`, toHandler(name, method));
  add(INFO_SERVICE, 'Info', answerInfo);
  for (const version of HOOK_VERSIONS) {
    const callbacks = callbacksOf(version, hooks);
    for (const name of HOOK_METHODS[version]) add(callbacksService(version), name, callbacks[name]);
  }
  return createGrpcServer(methods);
}

function answerInfo(request: Uint8Array): Uint8Array {
  readFields(request);
  return encodeInfoResult(INFO_NAME);
}

function callbacksOf(version: HookVersion, hooks: Hooks): Record<HookMethod, Method> {
  return {
    async OnDefineDomain(request) {
      const started = performance.now();
      const { domainXml, vmi } = await hooks.defineDomain(decodeOnDefineDomainParams(request));
      log('info', 'Defined domain', {
        version,
        vmi: `${vmi.namespace}/${vmi.name}`,
        interfaces: vmi.interfaces.map(({ name }) => name),
        ms: Math.round((performance.now() - started) * 100) / 100,
      });
      return encodeOnDefineDomainResult(domainXml);
    },
    PreCloudInitIso: echoPreCloudInitIso,
    Shutdown(request) {
      readFields(request);
      hooks.onShutdown();
      return Buffer.alloc(0);
    },
  };
}

/** What the method throws becomes a status, and a line in the log. */
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
