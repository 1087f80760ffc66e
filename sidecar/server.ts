import {
  type handleUnaryCall,
  logVerbosity,
  Server,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { BindingError } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import type { DefinedDomain } from './define-domain.ts';
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

/** Bytes, both ways: gRPC's own default for what it receives, and what virt-launcher accepts. */
const MAX_MESSAGE = 4 * 1024 * 1024;
const INFO_NAME = 'tapwire';

type Handler = (request: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** A gRPC server with Info and every version of Callbacks, bound to nothing yet. */
export function createHookServer(hooks: Hooks): Server {
  setLogVerbosity(logVerbosity.NONE); // it writes plain text between our JSON lines
  const server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE,
    'grpc.max_send_message_length': MAX_MESSAGE,
  });
  addService(server, INFO_SERVICE, { Info: handleInfo });
  for (const version of HOOK_VERSIONS) {
    const handlers = callbackHandlers(version, hooks);
    const served = HOOK_METHODS[version].map((method) => [method, handlers[method]] as const);
    addService(server, callbacksService(version), Object.fromEntries(served));
  }
  return server;
}

function handleInfo(request: Uint8Array): Uint8Array {
  readFields(request);
  return encodeInfoResult(INFO_NAME);
}

function callbackHandlers(version: HookVersion, hooks: Hooks): Record<HookMethod, Handler> {
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

/** Adds a service of unary methods. Messages stay bytes in grpc-js, which would answer INTERNAL to one that it cannot decode. */
function addService(server: Server, service: string, handlers: Readonly<Record<string, Handler>>): void {
  const asIs = (bytes: Buffer) => bytes;
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const [method, handler] of Object.entries(handlers)) {
    definition[method] = {
      path: `/${service}/${method}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    implementation[method] = unary(method, handler);
  }
  server.addService(definition, implementation);
}

/** Adapts a plain function to grpc-js, so that handlers return or throw and never see `callback`. */
function unary(method: string, handle: Handler): handleUnaryCall<Uint8Array, Uint8Array> {
  return async (call, callback) => {
    let response: Uint8Array;
    try {
      response = await handle(call.request);
    } catch (error) {
      const status = toStatus(error);
      const code = error instanceof BindingError ? error.code : 'INTERNAL';
      log('error', status.details, { method, code });
      callback(status);
      return;
    }
    callback(null, response);
  };
}
