/**
 * Asks a stand-in for kubelet over a real socket. Its messages are made from the .proto file at run
 * time.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { probeKubelet } from '../../../../cli/doctor/probe-kubelet.ts';

const test = suite('probeKubelet()');

const PROTO = resolve(import.meta.dirname, '../../../../shared/grpc/pod-resources.proto');
const API = loadPackageDefinition(loadSync(PROTO, { defaults: true }))['v1'] as unknown as {
  PodResourcesLister: ServiceClientConstructor;
};

type Devices = readonly { readonly resourceName: string; readonly deviceIds: readonly string[] }[];

/** A directory with both sockets. Without devices, kubelet lacks the method. */
async function withKubelet(devices: Devices | null, act: (directory: string) => Promise<void>) {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-kubelet-'));
  const server = new Server();
  if (devices !== null) {
    server.addService(API.PodResourcesLister.service, {
      GetAllocatableResources: (_: unknown, reply: (error: null, response: object) => void) =>
        reply(null, { devices }),
    });
  }
  try {
    for (const name of ['device-plugins', 'pod-resources']) {
      mkdirSync(join(directory, name));
      const bind = promisify(server.bindAsync.bind(server));
      await bind(`unix:${directory}/${name}/kubelet.sock`, ServerCredentials.createInsecure());
    }
    await act(directory);
  } finally {
    server.forceShutdown();
    rmSync(directory, { recursive: true });
  }
}

test('adds up the devices of a resource on several NUMA nodes', () => {
  const devices = [
    { resourceName: 'tapwire.io/vm-lan', deviceIds: ['a', 'b'] },
    { resourceName: 'x.org/gpu', deviceIds: ['0'] },
    { resourceName: 'tapwire.io/vm-lan', deviceIds: ['c'] },
  ];
  return withKubelet(devices, async (directory) => {
    const { missing, registered } = await probeKubelet(directory);
    assert.equal(missing, []);
    assert.equal(
      [...(registered ?? [])],
      [
        ['tapwire.io/vm-lan', 3],
        ['x.org/gpu', 1],
      ],
    );
  });
});

test('does not know what is registered if kubelet lacks the method', () =>
  withKubelet(null, async (directory) => {
    assert.equal(await probeKubelet(directory), { missing: [], registered: null });
  }));

test('names sockets that are missing, and files in their place', () =>
  withKubelet([], async (directory) => {
    const [plugins, pods] = ['device-plugins', 'pod-resources'].map(
      (name) => `${directory}/${name}/kubelet.sock`,
    );
    rmSync(plugins ?? '');
    writeFileSync(plugins ?? '', '');
    const { missing, registered } = await probeKubelet(directory);
    assert.equal([missing, registered], [[plugins], new Map()]);
    rmSync(pods ?? '');
    assert.equal(await probeKubelet(directory), { missing: [plugins, pods], registered: null });
  }));

test.run();
