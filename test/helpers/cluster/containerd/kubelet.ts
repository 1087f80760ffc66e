/**
 * Translates a pod's spec for the CRI as the kubelet does, as far as Tapwire's manifests and
 * KubeVirt's sidecars need it. Every other field is an error here.
 *
 * Source: kubernetes pkg/kubelet/kuberuntime, kuberuntime_{sandbox,container}_linux.go,
 * security_context.go; pkg/securitycontext/util.go
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { execa } from 'execa';
import type { Resource } from '../kustomize.ts';
import type { Cri } from './cri.ts';
import type { Node } from './node.ts';
import { podConfig } from './pods.ts';
import { until } from './until.ts';

/** A container that runs, or has run. */
export interface Container {
  readonly name: string;
  readonly id: string;
  /** Everything written to stdout and stderr so far. */
  readonly log: () => string;
}

export interface RunningPod {
  readonly sandbox: string;
  readonly containers: readonly Container[];
  /** Ends the container as its deletion does. */
  readonly end: () => Promise<void>;
}

const LOGS = '/run/pod-logs';
/**
 * Fields that concern only the scheduler, the API server or the kubelet, or that state a default.
 */
const NOT_FOR_THE_RUNTIME = [
  'affinity',
  'automountServiceAccountToken',
  'dnsPolicy',
  'enableServiceLinks',
  'nodeName',
  'priorityClassName',
  'restartPolicy',
  'serviceAccountName',
  'tolerations',
];
/** Such fields of a container. Probes are sent by the tests. */
const NOT_FOR_A_CONTAINER = ['livenessProbe', 'ports', 'readinessProbe', 'terminationMessagePolicy'];
/** Paths that a container without a procMount of its own cannot see, or cannot write. */
const MASKED = [
  'asound',
  'acpi',
  'kcore',
  'keys',
  'latency_stats',
  'timer_list',
  'timer_stats',
  'sched_debug',
  'scsi',
]
  .map((name) => `/proc/${name}`)
  .concat('/sys/firmware');
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Runs a pod in the node's network: its init containers until they exit, then its containers. */
export async function runSpec(node: Node, spec: Resource): Promise<RunningPod> {
  const {
    hostNetwork,
    securityContext,
    volumes,
    initContainers = [],
    containers,
    terminationGracePeriodSeconds: grace,
    ...rest
  } = spec;
  refuse(rest, NOT_FOR_THE_RUNTIME);
  if (hostNetwork !== true) throw new Error('Cannot run a pod without the network of the node');
  const security = podSecurity(securityContext);
  const config = podConfig(node, {
    hostname: '', // the node's
    log_directory: LOGS,
    linux: { cgroup_parent: node.cgroupParent, security_context: security },
  });
  prepare(node, volumes);
  const sandbox = await node.cri.runPodSandbox(config);
  const start = (container: Resource) =>
    startContainer(node, { sandbox, config, container: containerConfig(container, volumes, security) });

  for (const container of initContainers) {
    const started = await start(container);
    const code = await ended(node.cri, started);
    if (code !== 0) throw new Error(`Init container ${started.name} ended with ${code}: ${started.log()}`);
  }
  const running: Container[] = [];
  for (const container of containers) running.push(await start(container));
  return {
    sandbox,
    containers: running,
    end: async () => {
      for (const { id } of running) await node.cri.stopContainer(id, grace);
      await node.cri.stopPodSandbox(sandbox);
      await node.cri.removePodSandbox(sandbox);
    },
  };
}

/** The container's exit status. */
export async function ended(cri: Cri, { name, id, log }: Container): Promise<number> {
  const isOver = async () => (await cri.containerStatus(id)).state === 'CONTAINER_EXITED';
  await until(`container ${name} ends`, isOver, log);
  return (await cri.containerStatus(id)).exitCode;
}

let logs = 0;

/** Starts a container in a sandbox. Both arguments are the CRI's. */
export async function startContainer(
  { cri, root }: Pick<Node, 'cri' | 'root'>,
  { sandbox, config, container }: { sandbox: string; config: object; container: Resource },
): Promise<Container> {
  logs += 1;
  const log = `${logs}.log`;
  const id = await cri.runContainer(sandbox, { ...container, log_path: log }, config);
  const path = `${root}${LOGS}/${log}`;
  return {
    name: container.metadata.name,
    id,
    log: () => (existsSync(path) ? readFileSync(path, 'utf8').replace(/^\S+ std(out|err) [FP] /gm, '') : ''),
  };
}

function refuse(rest: object, known: readonly string[] = []): void {
  const unknown = Object.keys(rest).filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new Error(`Cannot run a pod with ${unknown}`);
}

function podSecurity({ seccompProfile, seLinuxOptions, ...rest }: Resource): Resource {
  refuse(rest);
  return {
    namespace_options: { network: 'NODE' },
    seccomp: { profile_type: seccompProfile.type },
    selinux_options: { type: seLinuxOptions.type },
  };
}

const PROPAGATIONS: Readonly<Record<string, string>> = {
  None: 'PROPAGATION_PRIVATE',
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
};

/** What the kubelet creates on the node, or expects there. */
function prepare({ root }: Node, volumes: Resource): void {
  for (const { hostPath } of volumes) {
    const path = `${root}${hostPath.path}`;
    if (hostPath.type === 'DirectoryOrCreate') mkdirSync(path, { recursive: true, mode: 0o755 });
    else if (!['CharDevice', 'Directory'].includes(hostPath.type) || !existsSync(path))
      throw new Error(`Cannot mount ${path}`);
  }
}

function containerConfig(container: Resource, volumes: Resource, security: Resource): Resource {
  const {
    name,
    image,
    command,
    args = [],
    env = [],
    volumeMounts = [],
    resources = {},
    securityContext,
    ...rest
  } = container;
  refuse(rest, NOT_FOR_A_CONTAINER);
  const pathOf = (volume: string): string =>
    volumes.find((one: { name: string }) => one.name === volume).hostPath.path;
  return {
    metadata: { name },
    image: { image },
    command,
    args,
    envs: env.map(({ name: key, value }: Resource) => ({ key, value })),
    mounts: volumeMounts.map(
      ({ name: volume, mountPath, readOnly = false, mountPropagation = 'None', ...more }: Resource) => {
        refuse(more);
        return {
          container_path: mountPath,
          host_path: pathOf(volume),
          readonly: readOnly,
          propagation: PROPAGATIONS[mountPropagation],
        };
      },
    ),
    linux: {
      resources: resourcesOf(resources),
      security_context: { ...containerSecurity(securityContext), ...security },
    },
  };
}

/** @param context a container's securityContext, as Kubernetes has it */
export function containerSecurity(context: Resource): Resource {
  const { runAsUser, runAsGroup, capabilities, readOnlyRootFilesystem, allowPrivilegeEscalation, ...rest } =
    context;
  refuse(rest, ['runAsNonRoot']); // The kubelet only verifies this.
  return {
    capabilities: { add_capabilities: capabilities?.add ?? [], drop_capabilities: capabilities?.drop ?? [] },
    ...(runAsUser === undefined ? {} : { run_as_user: { value: runAsUser } }),
    ...(runAsGroup === undefined ? {} : { run_as_group: { value: runAsGroup } }),
    readonly_rootfs: readOnlyRootFilesystem ?? false,
    no_new_privs: allowPrivilegeEscalation === false,
    masked_paths: MASKED,
    readonly_paths: READ_ONLY,
  };
}

const PERIOD = 100_000; // µs

/** @param resources requests and limits: `200m`, `64M`, `96Mi` */
export function resourcesOf({ requests = {}, limits = {} }: Resource): Resource {
  return {
    cpu_shares: Math.max(2, Math.floor(cpusOf(requests.cpu ?? '0') * 1024)),
    ...(limits.cpu === undefined ? {} : { cpu_period: PERIOD, cpu_quota: cpusOf(limits.cpu) * PERIOD }),
    ...(limits.memory === undefined ? {} : { memory_limit_in_bytes: bytesOf(limits.memory) }),
  };
}

const cpusOf = (text: string): number =>
  text.endsWith('m') ? Number(text.slice(0, -1)) / 1000 : Number(text);

function bytesOf(text: string): number {
  const [, number, unit = ''] = /^(\d+)(M|Mi)$/.exec(text) ?? [];
  return Number(number) * (unit === 'Mi' ? 2 ** 20 : 1e6);
}

/**
 * Sends a probe of a container in the node's network once. Returns whether it succeeds, and the
 * response.
 */
export async function probe({ netns }: Node, { httpGet }: Resource): Promise<readonly [boolean, string]> {
  const url = `http://${httpGet.host}:${httpGet.port}${httpGet.path}`;
  const script = `const r = await fetch(${JSON.stringify(url)}); console.log(await r.text()); process.exit(r.ok ? 0 : 1)`;
  const args = [`--net=${netns.path}`, process.execPath, '--input-type=module', '-e', script];
  const { exitCode, all } = await execa('nsenter', args, { reject: false, all: true });
  return [exitCode === 0, all];
}

/** Runs an exec probe's command in a container. Returns whether it succeeds, and its output. */
export async function execProbe(
  { init }: Node,
  { id }: Container,
  { exec }: Resource,
): Promise<readonly [boolean, string]> {
  const inside = ['--mount', '--pid', '--target', String(init), '--'];
  const ctr = ['ctr', '-n', 'k8s.io', 'task', 'exec', '--exec-id', randomUUID(), id];
  const { exitCode, all } = await execa('nsenter', [...inside, ...ctr, ...exec.command], {
    reject: false,
    all: true,
  });
  return [exitCode === 0, all];
}

/** Imports the images of an archive into containerd. */
export async function importImages({ root }: Node, archive: string): Promise<void> {
  const socket = `${root}/run/containerd/containerd.sock`;
  await execa('ctr', ['-a', socket, '-n', 'k8s.io', 'image', 'import', archive]);
}
