/**
 * Recordings of a real kubelet: our stand-in sends the same bytes in the same order, and the agent
 * understands the bytes of the real one.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeRegisterRequest } from '../../daemonset/device-plugin/plugin-api.ts';
import {
  DevicePluginOptions,
  ListAndWatchResponse,
  PreferredAllocationRequest,
  PreferredAllocationResponse,
  RegisterRequest,
} from '../../shared/grpc/device-plugin_pb.ts';
import { newDevicesOf } from '../../shared/kubelet/pod-resources.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { LAN, withDevices } from '../helpers/agent/device-node.ts';
import type { Json } from '../helpers/cluster/cni-runtime.ts';
import { type Kubelet, startKubelet } from '../helpers/cluster/kubelet.ts';
import { HANG } from '../helpers/hang.ts';
import { filesIn, recordedJson, replayed } from '../helpers/plugin/recorded.ts';
import { withDirectory } from '../helpers/plugin/shim.ts';

const test = suite('the recorded kubelet');

const RESOURCE = 'example.test/dev';
const ENDPOINT = 'example-test.sock';
const DEV_POD = { namespace: 'vms', name: 'dev-pod' };
const GRPC_HEAD = 5;

const fileOf = (name: string): string => `kubelet/${name}.json`;
const recording = (name: string): Json => recordedJson(fileOf(name));
const bytesOf = ({ b64, b64WithGrpcFrame }: Json): Buffer =>
  b64 === undefined
    ? Buffer.from(b64WithGrpcFrame, 'base64').subarray(GRPC_HEAD)
    : Buffer.from(b64, 'base64');
const requestOf = (name: string): Buffer => bytesOf(recording(name).request);
const replyOf = (name: string): Buffer => bytesOf(recording(name).answer);
const timeline: readonly Json[] = recording('timeline');

/** A plugin that replies with the recorded bytes, and keeps those of the requests. */
interface RecordedPlugin {
  /** Method and request of each call. */
  readonly calls: readonly (readonly [method: string, request: Buffer])[];
  stop(): void;
}

const REPLIES: Readonly<Record<string, Buffer>> = {
  GetDevicePluginOptions: replyOf('plugin-GetDevicePluginOptions'),
  GetPreferredAllocation: replyOf('plugin-GetPreferredAllocation'),
  Allocate: replyOf('plugin-Allocate'),
  PreStartContainer: replyOf('plugin-PreStartContainer'),
};
const LIST = ListAndWatchResponse.encode({
  devices: ['dev-0', 'dev-1', 'dev-2'].map((id) => ({ id, health: 'Healthy' })),
}).finish();

async function startPlugin(path: string): Promise<RecordedPlugin> {
  const calls: [string, Buffer][] = [];
  const server = new Server();
  const same = (bytes: Buffer): Buffer => bytes;
  for (const [method, reply] of Object.entries(REPLIES)) {
    const handle = (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>) => {
      calls.push([method, call.request]);
      respond(null, reply);
    };
    server.register(`/v1beta1.DevicePlugin/${method}`, handle, same, same, 'unary');
  }
  const watch = (call: ServerWritableStream<Buffer, Buffer>) => {
    calls.push(['ListAndWatch', call.request]);
    call.write(Buffer.from(LIST));
  };
  server.register('/v1beta1.DevicePlugin/ListAndWatch', watch, same, same, 'serverStream');
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  return { calls, stop: () => server.forceShutdown() };
}

const withPlugin = (act: (kubelet: Kubelet, plugin: RecordedPlugin) => Promise<void>): Promise<void> =>
  withDirectory(async (directory) => {
    const kubelet = await startKubelet(directory);
    const plugin = await startPlugin(join(directory, 'device-plugins', ENDPOINT));
    try {
      await act(kubelet, plugin);
    } finally {
      plugin.stop();
      await kubelet.stop();
    }
  });

/** Makes a call with these bytes. */
function send(socket: string, path: string, request: Buffer): Promise<Buffer> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, request, { deadline: Date.now() + HANG }, (error, reply) =>
      error === null && reply !== undefined ? resolve(reply) : reject(error),
    );
  }).finally(() => client.close());
}

test('the stand-in refuses a registration of another version in the same words', () =>
  withPlugin(async (kubelet, plugin) => {
    const { path, headers } = recording('registration-Register');
    const error = await send(kubelet.socket, path, requestOf('registration-Register')).then(
      () => null,
      (thrown: ServiceError) => thrown,
    );
    assert.equal([`${error?.code}`, error?.details], [headers['grpc-status'], headers['grpc-message']]);
    assert.equal(plugin.calls, [], 'the plugin is not called');
    replayed('a refused registration', [fileOf('registration-Register')]);
  }));

test('the stand-in calls the plugin during Register, and then watches it', () =>
  withPlugin(async (kubelet, plugin) => {
    const { path } = recording('registration-Register-2');
    const reply = await send(kubelet.socket, path, requestOf('registration-Register-2'));
    assert.equal(reply, replyOf('registration-Register-2'));
    const before = plugin.calls.map(([method]) => method);
    await until('it watches', () => plugin.calls.length === 2);
    const order = [...before, 'Register', ...plugin.calls.slice(before.length).map(([method]) => method)];
    const recordedOrder = timeline
      .filter(({ ms }) => ms > 20 && ms < 128)
      .flatMap(({ kubeletCalls, weCalled }) => kubeletCalls ?? weCalled ?? [])
      .map((one: string) => one.split('/').at(-1));
    assert.equal(order, recordedOrder);
    assert.equal(plugin.calls[0]?.[1], requestOf('plugin-GetDevicePluginOptions'));
    replayed('a registration', [
      fileOf('registration-Register-2'),
      fileOf('plugin-GetDevicePluginOptions'),
      fileOf('timeline'),
    ]);
  }));

test('the stand-in allocates with the same bytes, in the same order, and lists the same devices', () =>
  withPlugin(async (kubelet, plugin) => {
    await send(
      kubelet.socket,
      recording('registration-Register-2').path,
      requestOf('registration-Register-2'),
    );
    await until('it has the devices', () => kubelet.resource(RESOURCE)?.healthy.size === 3);
    const first = await kubelet.allocate(DEV_POD, RESOURCE, 1, 'c');
    assert.equal(first.ids, ['dev-2'], 'as the plugin prefers');
    assert.equal(first.devices, [{ containerPath: '/dev/null', hostPath: '/dev/null', permissions: 'rw' }]);
    const [preference, ...others] = plugin.calls.slice(2);
    assert.equal(others, [
      ['Allocate', requestOf('plugin-Allocate')],
      ['PreStartContainer', requestOf('plugin-PreStartContainer')],
    ]);
    assert.is(preference?.[0], 'GetPreferredAllocation');
    assert.equal(sorted(preference?.[1]), sorted(requestOf('plugin-GetPreferredAllocation')));

    // The plugin prefers dev-2 again, which is in use: kubelet takes one that is available.
    const second = await kubelet.allocate(DEV_POD, RESOURCE, 1, 'd');
    assert.equal(
      sorted(plugin.calls.at(-3)?.[1]),
      sorted(requestOf('plugin-GetPreferredAllocation-2')),
      'kubelet offers those that are not in use',
    );
    assert.is(plugin.calls.at(-2)?.[1].length, requestOf('plugin-Allocate-2').length);
    assert.is.not(second.ids[0], 'dev-2');
    kubelet.forget(DEV_POD);
    for (const [container, id] of [
      ['c', 'dev-2'],
      ['d', 'dev-1'],
    ] as const)
      kubelet.give(DEV_POD.namespace, DEV_POD.name, RESOURCE, [id], container);
    const list = recording('pod-resources-List');
    const reply = await send(
      join(kubelet.directory, 'pod-resources/kubelet.sock'),
      list.path,
      bytesOf(list.request),
    );
    assert.ok(replyOf('pod-resources-List').includes(reply), 'the reply has the bytes of this pod');
    replayed('allocations', [
      ...['plugin-Allocate', 'plugin-Allocate-2', 'plugin-PreStartContainer'].map(fileOf),
      ...['plugin-GetPreferredAllocation', 'plugin-GetPreferredAllocation-2'].map(fileOf),
    ]);
  }));

/** The order of ids is that of Go's maps, which is random. */
function sorted(request: Uint8Array = Buffer.alloc(0)): PreferredAllocationRequest {
  const { containerRequests } = PreferredAllocationRequest.decode(request);
  return {
    containerRequests: containerRequests.map((one) => ({
      ...one,
      availableDeviceIds: one.availableDeviceIds.toSorted(),
    })),
  };
}

test('the stand-in leaves the same files in its directory when it starts', () =>
  withPlugin(async (kubelet) => {
    kubelet.give('vms', 'vm1', RESOURCE, ['dev-1']);
    const directory = join(kubelet.directory, 'device-plugins');
    const { files } = timeline.filter(({ event }) => event === 'listing').at(-1);
    writeFileSync(join(directory, 'kubevirt-tun.sock'), '');
    await kubelet.stop();
    await kubelet.start();
    assert.equal(readdirSync(directory).sort(), files);
    assert.not.ok(existsSync(join(directory, ENDPOINT)), 'also those of live plugins');
  }));

test("the plugin's client reads kubelet's list of devices", () =>
  withDirectory(async (directory) => {
    const { path } = recording('pod-resources-List');
    const server = new Server();
    const same = (bytes: Buffer): Buffer => bytes;
    const requests: Buffer[] = [];
    const handle = (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>) => {
      requests.push(call.request);
      respond(null, replyOf('pod-resources-List'));
    };
    server.register(path, handle, same, same, 'unary');
    const kubelet = await startKubelet(directory); // makes the directory
    await kubelet.stop();
    const socket = join(directory, 'pod-resources/kubelet.sock');
    await new Promise((resolve) =>
      server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), resolve),
    );
    const devicesOf = newDevicesOf();
    assert.equal(await devicesOf(DEV_POD, directory), [
      { resource: RESOURCE, ids: ['dev-2'] },
      { resource: RESOURCE, ids: ['dev-1'] },
    ]);
    const launcher = { namespace: 'vms', name: 'virt-launcher-hk-mq-grrhn' };
    assert.equal(await devicesOf(launcher, directory), [
      { resource: 'devices.kubevirt.io/tun', ids: ['tun726'] },
    ]);
    assert.equal(requests[0], bytesOf(recording('pod-resources-List').request));
    server.forceShutdown();
    replayed("kubelet's list of devices", [fileOf('pod-resources-List')]);
  }));

test('the agent registers with the fields of the recorded plugin', () => {
  const recorded = RegisterRequest.decode(requestOf('registration-Register-2'));
  assert.equal(RegisterRequest.decode(encodeRegisterRequest(RESOURCE, ENDPOINT)), {
    ...recorded,
    options: { ...recorded.options, preStartRequired: false },
  });
});

test("the agent serves kubelet's bytes", () =>
  withDevices([LAN], async ({ kubeletDirectory, kubelet }) => {
    const chunks: readonly Json[] = recording('raw-connection-1');
    const messages = await exchange(join(kubeletDirectory, 'device-plugins/tapwire.io_lan.sock'), chunks);
    // Streams 1 (options), 3 (list) and 5 (preference); 7 is Allocate of a foreign device.
    const [options, list, preference, allocation] = [1, 3, 5, 7].map((stream) => messages.get(stream));
    assert.equal(DevicePluginOptions.decode(options ?? Buffer.alloc(0)), {
      preStartRequired: false,
      getPreferredAllocationAvailable: true,
    });
    const { devices } = ListAndWatchResponse.decode(list ?? Buffer.alloc(0));
    assert.equal(
      devices.map(({ id }) => id).join(),
      [...(kubelet.resource('tapwire.io/lan')?.healthy ?? [])].join(),
    );
    assert.equal(PreferredAllocationResponse.decode(preference ?? Buffer.alloc(0)), {
      containerResponses: [{ deviceIds: ['dev-0'] }],
    });
    assert.is(allocation, undefined, 'refused');
    replayed("kubelet's connection", [fileOf('raw-connection-1')]);
  }));

/**
 * Sends the recorded bytes of an HTTP/2 client, and waits for a reply wherever it got one. Returns
 * the message of each stream.
 */
async function exchange(socket: string, chunks: readonly Json[]): Promise<Map<number, Buffer>> {
  const connection = createConnection(socket);
  const received: Buffer[] = [];
  connection.on('data', (chunk) => received.push(chunk));
  let hasReply = true;
  for (const { dir, b64 } of chunks) {
    const count = received.length;
    if (dir === 'kubelet>plugin') {
      connection.write(Buffer.from(b64, 'base64'));
      hasReply = false;
    } else if (!hasReply) {
      await until('the agent replies', () => received.length > count);
      hasReply = true;
    }
  }
  const messages = new Map<number, Buffer>();
  await until('an empty message is the reply to PreStartContainer', () => {
    for (const [stream, message] of dataFrames(Buffer.concat(received))) messages.set(stream, message);
    return [...messages.values()].some(({ length }) => length === 0);
  });
  connection.destroy();
  return messages;
}

/** The gRPC messages in the DATA frames that a server sent (RFC 9113 §4.1). */
function dataFrames(bytes: Buffer): readonly (readonly [stream: number, message: Buffer])[] {
  const frames: [number, Buffer][] = [];
  for (let offset = 0; offset + 9 <= bytes.length; ) {
    const [length, type, stream] = [
      bytes.readUIntBE(offset, 3),
      bytes.readUInt8(offset + 3),
      bytes.readUInt32BE(offset + 5),
    ];
    const payload = bytes.subarray(offset + 9, offset + 9 + length);
    if (type === 0 && length >= GRPC_HEAD) frames.push([stream, payload.subarray(GRPC_HEAD)]);
    offset += 9 + length;
  }
  return frames;
}

test('every recording of kubelet is replayed', () => {
  const names = [
    ...[
      'registration-Register',
      'registration-Register-2',
      'pod-resources-List',
      'timeline',
      'raw-connection-1',
    ],
    ...['plugin-GetDevicePluginOptions', 'plugin-Allocate', 'plugin-Allocate-2', 'plugin-PreStartContainer'],
    ...['plugin-GetPreferredAllocation', 'plugin-GetPreferredAllocation-2'],
  ];
  assert.equal(filesIn('kubelet'), names.map(fileOf).sort());
});

test.run();
