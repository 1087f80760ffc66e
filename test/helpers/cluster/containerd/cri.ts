/**
 * The kubelet's side of the CRI, over a .proto of the tests.
 *
 * Source: kubernetes cri-api, pkg/apis/runtime/v1
 */
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { HANG } from '../../hang.ts';

/** Long enough for ten pods at once on a busy machine. The kubelet waits 2 minutes. */

export interface RuntimeStatus {
  /**
   * The configuration that containerd has loaded for the default network; null if it has no usable
   * one.
   */
  readonly network: string | null;
}

export interface SandboxStatus {
  readonly state: 'SANDBOX_READY' | 'SANDBOX_NOTREADY';
  /** Addresses as the last plugin of the chain reported them, the first family first. */
  readonly ips: readonly string[];
  /** Pid of the sandbox's process in containerd's pid namespace. */
  readonly pid: number;
  /** Path of the netns as containerd sees it. */
  readonly netns: string;
  /** The result of the whole chain that containerd keeps. */
  // biome-ignore lint/suspicious/noExplicitAny: a test compares it with what it expects
  readonly cniResult: any;
}

export interface Cri {
  readonly status: () => Promise<RuntimeStatus>;
  /**
   * Starts a sandbox and returns its id. Rejects with the message that the kubelet would write into
   * the pod's events.
   */
  readonly runPodSandbox: (config: object) => Promise<string>;
  readonly stopPodSandbox: (id: string) => Promise<void>;
  readonly removePodSandbox: (id: string) => Promise<void>;
  readonly podSandboxStatus: (id: string) => Promise<SandboxStatus>;
  /** Ids of all sandboxes, including those that do not run. */
  readonly listPodSandbox: () => Promise<readonly string[]>;
  /**
   * Creates and starts a container and returns its id. The configuration must be that of the
   * sandbox.
   */
  readonly runContainer: (sandbox: string, config: object, sandboxConfig: object) => Promise<string>;
  /** Sends SIGTERM, then SIGKILL after this many seconds. */
  readonly stopContainer: (id: string, grace: number) => Promise<void>;
  readonly containerStatus: (id: string) => Promise<ContainerStatus>;
  readonly close: () => void;
}

export interface ContainerStatus {
  readonly state: 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';
  readonly exitCode: number;
  /** Pid in containerd's pid namespace; 0 if the container does not run. */
  readonly pid: number;
}

/** Fields that all replies have, as proto-loader returns them. */
// biome-ignore lint/suspicious/noExplicitAny: decoded by the .proto
type Message = Record<string, any>;

const definition = loadPackageDefinition(
  loadSync(`${import.meta.dirname}/cri.proto`, {
    keepCase: true,
    enums: String,
    longs: Number,
    defaults: true,
  }),
) as unknown as { readonly runtime: { readonly v1: { readonly RuntimeService: ServiceClientConstructor } } };

export function openCri(socket: string): Cri {
  const { RuntimeService } = definition.runtime.v1;
  const client = new RuntimeService(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
    'grpc.max_receive_message_length': 16 * 1024 * 1024,
  });
  const call = (method: string, request: object): Promise<Message> =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + HANG;
      client[method]?.(request, { deadline }, (error: Error | null, answer: Message) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
  const ofSandbox = (id: string) => ({ pod_sandbox_id: id });
  return {
    status: async () => {
      const { info } = await call('Status', { verbose: true });
      const { Networks: networks = [] } = JSON.parse(info['cniconfig'] ?? '{}') ?? {};
      // The first is the loopback, which containerd adds.
      const [, network] = networks ?? [];
      return { network: network?.Config?.Name ?? null };
    },
    runPodSandbox: async (config) => (await call('RunPodSandbox', { config }))['pod_sandbox_id'],
    stopPodSandbox: async (id) => void (await call('StopPodSandbox', ofSandbox(id))),
    removePodSandbox: async (id) => void (await call('RemovePodSandbox', ofSandbox(id))),
    podSandboxStatus: async (id) => {
      const { status, info } = await call('PodSandboxStatus', { ...ofSandbox(id), verbose: true });
      const { pid, runtimeSpec, cniResult } = JSON.parse(info.info);
      const spaces: { type: string; path?: string }[] = runtimeSpec.linux.namespaces;
      return {
        state: status.state,
        ips: [status.network.ip, ...status.network.additional_ips.map(({ ip }: { ip: string }) => ip)].filter(
          (ip) => ip !== '',
        ),
        pid,
        netns: spaces.find(({ type }) => type === 'network')?.path ?? '',
        cniResult,
      };
    },
    listPodSandbox: async () => (await call('ListPodSandbox', {}))['items'].map(({ id }: Message) => id),
    runContainer: async (sandbox, config, sandboxConfig) => {
      const request = { ...ofSandbox(sandbox), config, sandbox_config: sandboxConfig };
      const { container_id } = await call('CreateContainer', request);
      await call('StartContainer', { container_id });
      return container_id;
    },
    stopContainer: async (id, grace) =>
      void (await call('StopContainer', { container_id: id, timeout: grace })),
    containerStatus: async (id) => {
      const { status, info } = await call('ContainerStatus', { container_id: id, verbose: true });
      return { state: status.state, exitCode: status.exit_code, pid: JSON.parse(info.info).pid };
    },
    close: () => client.close(),
  };
}
