/**
 * A hook sidecar of another project, over grpc-js: it announces the hook points that it is given,
 * returns what it gets, and counts calls.
 */
import { promisify } from 'node:util';
import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { decodeMessage, encodeMessage } from './hook-api.ts';

export interface ForeignSidecar {
  /** Names of the methods that were called, in order. */
  readonly calls: readonly string[];
  stop(): void;
}

export async function startForeignSidecar(
  socket: string,
  hookPoints: readonly string[],
  name = 'foreign',
): Promise<ForeignSidecar> {
  const calls: string[] = [];
  const server = new Server();
  const asIs = (bytes: Buffer) => bytes;
  const add = (service: string, methods: Readonly<Record<string, (request: Buffer) => Buffer>>) => {
    const definition: Record<string, ServiceDefinition[string]> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const [name, answer] of Object.entries(methods)) {
      definition[name] = {
        path: `/${service}/${name}`,
        requestStream: false,
        responseStream: false,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      };
      implementation[name] = (call: { request: Buffer }, callback: (error: null, value: Buffer) => void) => {
        if (name !== 'Info') calls.push(name);
        callback(null, answer(call.request));
      };
    }
    server.addService(definition, implementation);
  };
  const info = {
    name,
    hookPoints: hookPoints.map((point) => ({ name: point })), // proto3 omits a priority of 0
    versions: ['v1alpha3'],
  };
  add('kubevirt.hooks.info.Info', { Info: () => encodeMessage('InfoResult', info) });
  const echo = (hookPoint: string) => (request: Buffer) =>
    encodeMessage(`${hookPoint}Result`, decodeMessage(`${hookPoint}Params`, request));
  add('kubevirt.hooks.v1alpha3.Callbacks', {
    OnDefineDomain: echo('OnDefineDomain'),
    PreCloudInitIso: echo('PreCloudInitIso'),
    Shutdown: () => Buffer.alloc(0),
  });
  await promisify(server.bindAsync.bind(server))(`unix:${socket}`, ServerCredentials.createInsecure());
  return { calls, stop: () => server.forceShutdown() };
}
