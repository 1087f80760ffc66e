/**
 * A stand-in for kubelet's device manager and its pod resources API. It behaves like kubelet 1.36:
 * it dials a plugin while Register runs, keeps allocations in a checkpoint and replays them,
 * removes all sockets when it starts, and takes the end of a plugin's stream for the end of the
 * plugin. Its gRPC code is made from our .proto files at run time, unlike that of the agent.
 *
 * Source: kubernetes pkg/kubelet/cm/devicemanager (manager.go, plugin/v1beta1/{server,client,
 * handler}.go), pkg/kubelet/apis/podresources; compared with fixtures/recorded/kubelet by
 * test/agent/recorded-kubelet.test.ts
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import {
  type Client,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { HANG } from '../hang.ts';

const PROTOS = resolve(import.meta.dirname, '../../../shared/grpc');
const CHECKPOINT = 'kubelet_internal_checkpoint';
const VERSION = 'v1beta1';
/** How long kubelet waits inside Register until it has connected to the plugin. */
const DIAL_TIMEOUT = 10_000; // ms

/** A pod, by its namespace and name. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
}

export interface DeviceSpec {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly permissions: string;
}

/** Devices of one container. */
export interface Allocation {
  readonly pod: Pod;
  readonly container: string;
  readonly resource: string;
  readonly ids: readonly string[];
  /** The plugin's reply, which kubelet keeps as long as the pod exists. */
  readonly devices: readonly DeviceSpec[];
}

export interface Registration {
  readonly version: string;
  readonly endpoint: string;
  readonly resourceName: string;
  readonly options: PluginOptions | null;
}

interface PluginOptions {
  readonly preStartRequired: boolean;
  readonly getPreferredAllocationAvailable: boolean;
}

/** Devices of a resource, as kubelet knows them. */
export interface KnownResource {
  readonly healthy: ReadonlySet<string>;
  readonly unhealthy: ReadonlySet<string>;
  /** Whether the stream of its plugin has ended, so that kubelet does not call it any more. */
  readonly isStopped: boolean;
}

/** What the stand-in does wrong on purpose. A test may change it at any time. */
export interface Faults {
  /** Register fails with this text, or does not reply. */
  register: string | 'hang' | null;
  /** kubelet does not ask a plugin that has registered for its devices. */
  unwatched: boolean;
  /** List fails this many times because of too many requests. */
  exhausted: number;
  /** List does not reply; or its reply has this many bytes more. */
  list: 'hang' | number | null;
}

export interface Kubelet {
  /** kubelet's root directory, as in `$.macvtap.kubeletDirectory`. */
  readonly directory: string;
  readonly socket: string;
  readonly faults: Faults;
  /** Every Register that kubelet got, refused ones too. */
  readonly registrations: readonly Registration[];
  /** How often List was called. */
  readonly lists: number;
  resource(name: string): KnownResource | undefined;
  /**
   * Gives devices to a container as at the admission of its pod: a container that has them already
   * gets the same reply again, without a call of the plugin.
   *
   * @throws the error with which the pod would fail
   */
  allocate(pod: Pod, resource: string, count?: number, container?: string): Promise<Allocation>;
  /** Gives a pod these devices, without a plugin. */
  give(namespace: string, pod: string, resource: string, ids: readonly string[], container?: string): void;
  /** Forgets a pod that has ended. */
  forget(pod: Pod): void;
  /** Forgets the resources of plugins that are gone, as kubelet does after five minutes. */
  expire(): void;
  /** Ends the stream of the plugin of a resource, as if its connection had failed. */
  drop(resource: string): void;
  /** Ends kubelet as SIGTERM does. Its checkpoint stays. */
  stop(): Promise<void>;
  /** Starts it again: it removes all sockets of its directory and makes its own. */
  start(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: proto-loader makes these methods at run time
type PluginClient = Client & Record<string, any>;

/** A plugin that has registered. */
interface Endpoint {
  readonly client: PluginClient;
  readonly socket: string;
  readonly options: PluginOptions;
  stream: ClientReadableStream<{ devices: readonly { id: string; health: string }[] }> | null;
  isStopped: boolean;
  /** Whether the kubelet that dialled it has exited. */
  hasExited: boolean;
}

interface ResourceState {
  healthy: Set<string>;
  unhealthy: Set<string>;
}

const load = (file: string) => loadPackageDefinition(loadSync(join(PROTOS, file), { defaults: true }));
const deviceApi = load('device-plugin.proto')['v1beta1'] as unknown as Record<
  string,
  ServiceClientConstructor
>;
const podApi = load('pod-resources.proto')['v1'] as unknown as Record<string, ServiceClientConstructor>;
const serviceOf = (api: typeof podApi, name: string): ServiceClientConstructor => {
  const found = api[name];
  if (found === undefined) throw new Error(`no service ${name} in the .proto files`);
  return found;
};

const failure = (details: string, code = status.UNKNOWN) => ({ code, details });

/** Source: kubernetes pkg/apis/core/v1/helper, IsExtendedResourceName */
function isExtendedResourceName(name: string): boolean {
  const [domain, ...rest] = name.split('/');
  return (
    rest.length === 1 &&
    !name.includes('kubernetes.io/') &&
    !name.startsWith('requests.') &&
    /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(domain ?? '') &&
    /^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(rest[0] ?? '')
  );
}

/** Starts the stand-in with this root directory, which is created if it does not exist. */
export async function startKubelet(directory: string): Promise<Kubelet> {
  const kubelet = new DeviceManager(directory);
  await kubelet.start();
  return kubelet;
}

class DeviceManager implements Kubelet {
  readonly directory: string;
  readonly socket: string;
  readonly faults: Faults = { register: null, unwatched: false, exhausted: 0, list: null };
  readonly registrations: Registration[] = [];
  lists = 0;
  readonly #plugins: string;
  readonly #resources = new Map<string, ResourceState>();
  /** Plugins by resource. The newest is called; earlier ones may still have a stream. */
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #clients = new Map<string, Endpoint[]>();
  #allocations: Allocation[] = [];
  #servers: Server[] = [];

  constructor(directory: string) {
    this.directory = directory;
    this.#plugins = join(directory, 'device-plugins');
    this.socket = join(this.#plugins, 'kubelet.sock');
  }

  async start(): Promise<void> {
    const resources = join(this.directory, 'pod-resources');
    mkdirSync(this.#plugins, { recursive: true, mode: 0o750 });
    mkdirSync(resources, { recursive: true, mode: 0o750 });
    this.#readCheckpoint();
    for (const file of readdirSync(this.#plugins, { withFileTypes: true })) {
      if (!file.isDirectory() && file.name !== CHECKPOINT) rmSync(join(this.#plugins, file.name));
    }
    rmSync(join(resources, 'kubelet.sock'), { force: true });
    this.#servers = [
      await serve(this.socket, serviceOf(deviceApi, 'Registration'), {
        Register: (call, reply) => void this.#register(call.request as Registration, reply),
      }),
      await serve(join(resources, 'kubelet.sock'), serviceOf(podApi, 'PodResourcesLister'), {
        List: (_, reply) => this.#list(reply),
        GetAllocatableResources: (_, reply) => this.#listAllocatable(reply),
      }),
    ];
  }

  async stop(): Promise<void> {
    for (const endpoint of [...this.#clients.values()].flat()) {
      endpoint.hasExited = true;
      endpoint.stream?.cancel();
      endpoint.client.close();
    }
    this.#clients.clear();
    this.#endpoints.clear();
    this.#resources.clear();
    for (const server of this.#servers) server.forceShutdown();
    this.#servers = [];
  }

  resource(name: string): KnownResource | undefined {
    const state = this.#resources.get(name);
    return state && { ...state, isStopped: this.#endpoints.get(name)?.isStopped ?? true };
  }

  expire(): void {
    for (const name of [...this.#resources.keys()]) {
      if (this.#endpoints.get(name)?.isStopped === false) continue;
      this.#resources.delete(name);
      this.#endpoints.delete(name);
    }
    this.#writeCheckpoint();
  }

  drop(resource: string): void {
    this.#endpoints.get(resource)?.stream?.cancel();
  }

  give(
    namespace: string,
    pod: string,
    resource: string,
    ids: readonly string[],
    container = 'compute',
  ): void {
    const owner = { namespace, name: pod };
    this.#allocations.push({ pod: owner, container, resource, ids, devices: [] });
    this.#writeCheckpoint();
  }

  forget({ namespace, name }: Pod): void {
    this.#allocations = this.#allocations.filter(
      ({ pod }) => pod.namespace !== namespace || pod.name !== name,
    );
    this.#writeCheckpoint();
  }

  // ---- Registration

  async #register(request: Registration, reply: sendUnaryData<object>): Promise<void> {
    this.registrations.push(request);
    const { version, endpoint: file, resourceName } = request;
    const fault = this.faults.register;
    if (fault === 'hang') return;
    if (fault !== null) {
      reply(failure(fault));
      return;
    }
    if (version !== VERSION) {
      const text = `requested API version ${JSON.stringify(version)} is not supported by kubelet. Supported version is ["${VERSION}"]`;
      reply(failure(text));
      return;
    }
    if (!isExtendedResourceName(resourceName)) {
      reply(failure(`the ResourceName ${JSON.stringify(resourceName)} is invalid`));
      return;
    }
    try {
      const endpoint = await this.#connect(resourceName, join(this.#plugins, file));
      reply(null, {});
      setImmediate(() => this.#run(resourceName, endpoint));
    } catch (error) {
      reply(failure(String((error as Error).message)));
    }
  }

  async #connect(resource: string, socket: string): Promise<Endpoint> {
    const client = dial(socket);
    try {
      await promisify(client.waitForReady.bind(client))(Date.now() + DIAL_TIMEOUT);
    } catch (error) {
      client.close();
      throw new Error(`failed to dial device plugin: ${(error as Error).message}`);
    }
    const options: PluginOptions = await call(client, 'GetDevicePluginOptions', {});
    const endpoint: Endpoint = { client, socket, options, stream: null, isStopped: false, hasExited: false };
    this.#clients.set(resource, [...(this.#clients.get(resource) ?? []), endpoint]);
    this.#endpoints.set(resource, endpoint);
    return endpoint;
  }

  #run(resource: string, endpoint: Endpoint): void {
    if (this.faults.unwatched) return;
    const stream = endpoint.client['ListAndWatch']({});
    endpoint.stream = stream;
    stream.on('data', ({ devices }: { devices: readonly { id: string; health: string }[] }) => {
      const idsOf = (health: string) =>
        new Set(devices.filter((one) => one.health === health).map(({ id }) => id));
      this.#resources.set(resource, { healthy: idsOf('Healthy'), unhealthy: idsOf('Unhealthy') });
      this.#writeCheckpoint();
    });
    let hasEnded = false;
    const end = () => {
      if (!hasEnded && !endpoint.hasExited) this.#disconnect(resource, endpoint.socket);
      hasEnded = true;
    };
    stream.on('error', end);
    stream.on('end', end);
  }

  /**
   * Ends the first client of this socket: the one whose stream has ended, or one that registered
   * before. Then the resource counts as stopped, even if a newer plugin has registered for it.
   */
  #disconnect(resource: string, socket: string): void {
    const clients = this.#clients.get(resource) ?? [];
    const client = clients.find((one) => one.socket === socket);
    if (client === undefined) return;
    const others = clients.filter((one) => one !== client);
    this.#clients.set(resource, others);
    client.stream?.cancel();
    client.client.close();
    const { healthy, unhealthy } = this.#resources.get(resource) ?? {
      healthy: new Set<string>(),
      unhealthy: new Set<string>(),
    };
    this.#resources.set(resource, { healthy: new Set(), unhealthy: new Set([...unhealthy, ...healthy]) });
    const current = this.#endpoints.get(resource);
    if (current !== undefined) current.isStopped = true;
  }

  // ---- Allocation

  async allocate(pod: Pod, resource: string, count = 1, container = 'compute'): Promise<Allocation> {
    const earlier = this.#allocations.find(
      (one) =>
        one.pod.namespace === pod.namespace &&
        one.pod.name === pod.name &&
        one.container === container &&
        one.resource === resource,
    );
    const state = this.#resources.get(resource);
    const endpoint = this.#endpoints.get(resource);
    if (state === undefined) throw new Error(`cannot allocate unregistered device ${resource}`);
    if (state.healthy.size === 0) {
      throw new Error(`no healthy devices present; cannot allocate unhealthy devices ${resource}`);
    }
    if (earlier !== undefined) {
      if (earlier.ids.every((id) => state.healthy.has(id))) return earlier;
      throw new Error(
        `previously allocated devices are no longer healthy; cannot allocate unhealthy devices ${resource}`,
      );
    }
    if (endpoint === undefined || endpoint.isStopped)
      throw new Error(`endpoint ${resource} has been stopped`);
    const used = new Set(
      this.#allocations.filter((one) => one.resource === resource).flatMap(({ ids }) => ids),
    );
    const available = shuffled([...state.healthy].filter((id) => !used.has(id)));
    if (available.length < count) {
      const text = `requested number of devices unavailable for ${resource}. Requested: ${count}, Available: ${available.length}`;
      throw new Error(text);
    }
    const ids = await preferred(endpoint, available, count);
    const { containerResponses } = await call<{ containerResponses: { devices: DeviceSpec[] }[] }>(
      endpoint.client,
      'Allocate',
      { containerRequests: [{ devicesIds: ids }] },
    );
    if (containerResponses.length !== 1) throw new Error('the plugin replied for other containers');
    const devices = containerResponses[0]?.devices ?? [];
    const allocation = { pod, container, resource, ids, devices };
    this.#allocations.push(allocation);
    this.#writeCheckpoint();
    if (endpoint.options.preStartRequired)
      await call(endpoint.client, 'PreStartContainer', { devicesIds: ids });
    return allocation;
  }

  // ---- Pod resources

  #list(reply: sendUnaryData<object>): void {
    this.lists += 1;
    const { list } = this.faults;
    if (list === 'hang') return;
    if (this.faults.exhausted > 0) {
      this.faults.exhausted -= 1;
      reply(failure('rejected by rate limit', status.RESOURCE_EXHAUSTED));
      return;
    }
    const names = new Set(this.#allocations.map(({ pod }) => JSON.stringify([pod.namespace, pod.name])));
    const podResources = [...names].map((key) => {
      const [namespace, name]: string[] = JSON.parse(key);
      const own = this.#allocations.filter(({ pod }) => pod.namespace === namespace && pod.name === name);
      const containers = [...new Set(own.map(({ container }) => container))].map((container) => ({
        name: container,
        devices: own
          .filter((one) => one.container === container)
          .flatMap(({ resource, ids }) => ids.map((id) => ({ resourceName: resource, deviceIds: [id] }))),
      }));
      return { namespace, name, containers };
    });
    const padding = { name: 'x'.repeat(list ?? 0), namespace: 'padding', containers: [] };
    reply(null, { podResources: list === null ? podResources : [...podResources, padding] });
  }

  /** Source: kubernetes pkg/kubelet/cm/devicemanager, GetAllocatableDevices */
  #listAllocatable(reply: sendUnaryData<object>): void {
    const devices = [...this.#resources]
      .filter(([, { healthy }]) => healthy.size > 0)
      .map(([resourceName, { healthy }]) => ({ resourceName, deviceIds: [...healthy] }));
    reply(null, { devices });
  }

  // ---- Checkpoint

  #writeCheckpoint(): void {
    const RegisteredDevices = Object.fromEntries(
      [...this.#resources].map(([name, { healthy }]) => [name, [...healthy]]),
    );
    const Data = { PodDeviceEntries: this.#allocations, RegisteredDevices };
    const path = join(this.#plugins, CHECKPOINT);
    writeFileSync(`${path}.new`, JSON.stringify({ Data }));
    renameSync(`${path}.new`, path);
  }

  #readCheckpoint(): void {
    let text: string;
    try {
      text = readFileSync(join(this.#plugins, CHECKPOINT), 'utf8');
    } catch {
      return; // the first start
    }
    const { PodDeviceEntries, RegisteredDevices } = JSON.parse(text).Data;
    this.#allocations = PodDeviceEntries;
    for (const name of Object.keys(RegisteredDevices)) {
      this.#resources.set(name, { healthy: new Set(), unhealthy: new Set() });
    }
  }
}

/** Asks for the plugin's preference, of which kubelet takes only devices that are available. */
async function preferred(
  { client, options }: Endpoint,
  available: readonly string[],
  count: number,
): Promise<readonly string[]> {
  if (!options.getPreferredAllocationAvailable) return available.slice(0, count);
  const { containerResponses } = await call<{ containerResponses: { deviceIds: string[] }[] }>(
    client,
    'GetPreferredAllocation',
    {
      containerRequests: [{ availableDeviceIds: available, mustIncludeDeviceIds: [], allocationSize: count }],
    },
  );
  const wanted = (containerResponses[0]?.deviceIds ?? []).filter((id) => available.includes(id));
  return [...new Set([...wanted, ...available])].slice(0, count);
}

/** kubelet's sets have no order. */
function shuffled(ids: readonly string[]): readonly string[] {
  return ids
    .map((id) => [Math.random(), id] as const)
    .sort(([one], [other]) => one - other)
    .map(([, id]) => id);
}

/** Opens a client of the plugin at this socket, which has kubelet's authority, "localhost". */
export function dial(socket: string): PluginClient {
  const Plugin = serviceOf(deviceApi, 'DevicePlugin');
  return new Plugin(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  }) as PluginClient;
}

/** Makes a unary call of the plugin. */
export function call<Reply>(client: PluginClient, method: string, request: object): Promise<Reply> {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + HANG }, (error: ServiceError | null, reply: Reply) =>
      error === null ? resolve(reply) : reject(error),
    );
  });
}

type Handlers = Readonly<
  Record<string, (call: { readonly request: unknown }, reply: sendUnaryData<object>) => void>
>;

async function serve(
  socket: string,
  { service }: ServiceClientConstructor,
  handlers: Handlers,
): Promise<Server> {
  const server = new Server({ 'grpc.max_send_message_length': -1 });
  server.addService(service, handlers);
  await promisify(server.bindAsync.bind(server))(`unix:${socket}`, ServerCredentials.createInsecure());
  return server;
}
