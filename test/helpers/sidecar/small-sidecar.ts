/**
 * The bundled sidecar as a pod with guaranteed QoS runs it: 64 MB, 200m CPU, uid 107, no
 * capabilities, a read-only root directory.
 */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { addCgroup, type Cgroup, type Limits } from '../../../bench/cgroups.ts';
import { hashedPodIfname, secondaryTapIfname } from '../../../shared/kubevirt/names.ts';
import { cgroupsOf, removeCgroup } from '../cluster/containerd/cgroups.ts';
import { HANG } from '../hang.ts';
import { wire as wirePod } from '../pod/guarded-pod.ts';
import { type TestNetns, withNetns } from '../pod/netns.ts';
import { callInfo } from './hook-api.ts';
import { makeHookDirectory, processStatus, type Sidecar, withHookPlace, withSidecar } from './sidecar.ts';
import { vmiJson } from './vmi.ts';

const MIB = 1024 * 1024;
/** The sidecar's container, after which KubeVirt names its hook directory. */
const CONTAINER = 'hook-sidecar-0';
/** Environment that the image sets for the sidecar (scripts/image/config.ts). */
const IMAGE_ENV = { MALLOC_ARENA_MAX: '1' };
const POLL_INTERVAL = 1; // ms

/**
 * KubeVirt's defaults for a sidecar: `cpu: 200m`, `memory: 64M`.
 *
 * Source: kubevirt pkg/virt-controller/services/renderresources.go
 */
export const GUARANTEED: Limits = { cpu: 200, memory: 64_000_000 / MIB };

export interface SmallSidecar {
  readonly netns: TestNetns;
  readonly sidecar: Sidecar;
  readonly cgroup: Cgroup;
  readonly socket: string;
  /** Time from exec to the socket, in ms. */
  readonly listening: number;
  /** Time from exec to the reply to Info, in ms. */
  readonly ready: number;
  /** A domain of 20 KB without interfaces. */
  readonly domain: string;
  /** A VMI with the interfaces for which the pod has taps. */
  readonly vmi: Buffer;
}

/**
 * Starts the bundle in a pod with this many wired networks, waits for its reply to Info, then calls
 * `act`.
 *
 * @param isServed whether the guest gets the addresses of the pod links
 */
export function withSmallSidecar<T>(
  limits: Limits,
  interfaces: number,
  act: (small: SmallSidecar) => Promise<T>,
  isServed = false,
): Promise<T> {
  const names = Array.from({ length: interfaces }, (_, index) => `net${index}`);
  return inSmallPod(
    limits,
    names,
    'dist/sidecar/index.js',
    async (running, hooks) => {
      const socket = await socketIn(`${hooks}/${CONTAINER}`, running);
      const listening = running.age();
      await callInfo(socket);
      const ready = running.age();
      return act({ ...running, listening, ready, socket, domain: domainOf(20_000), vmi: vmiOf(names) });
    },
    isServed ? wireServed : wire,
  );
}

/** Waits for the sidecar's socket and returns its path. */
async function socketIn(directory: string, { sidecar, age }: Running): Promise<string> {
  while (age() < HANG) {
    const socket = readdirSync(directory, { withFileTypes: true }).find((entry) => entry.isSocket());
    if (socket !== undefined) return `${directory}/${socket.name}`;
    await sleep(POLL_INTERVAL);
  }
  throw new Error(`No socket in ${directory}: ${sidecar.output()}`);
}

/** Time in ms from exec to exit of a Node.js that does nothing, in the sidecar's place. */
export const timeEmptyNode = (limits: Limits): Promise<number> =>
  inSmallPod(limits, [], null, async ({ sidecar, age }) => {
    const status = await sidecar.ended();
    if (status !== 0) throw new Error(`Cannot run Node.js: ${status}: ${sidecar.output()}`);
    return age();
  });

interface Running {
  readonly netns: TestNetns;
  readonly sidecar: Sidecar;
  readonly cgroup: Cgroup;
  /** Time since exec, in ms. */
  readonly age: () => number;
}

function inSmallPod<T>(
  limits: Limits,
  networks: readonly string[],
  program: string | null,
  act: (running: Running, hooks: string) => Promise<T>,
  prepare = wire,
): Promise<T> {
  return withNetns((netns) =>
    withHookPlace(async (place) => {
      for (const name of networks) await prepare(netns, name);
      const hooks = makeHookDirectory(`${place}/hooks`);
      const env = { ...IMAGE_ENV, TAPWIRE_HOOK_DIR: makeHookDirectory(`${hooks}/${CONTAINER}`) };
      const parent = netns.name; // by which the runner deletes it if the test is interrupted
      const cgroup = addCgroup(parent, 'sidecar', limits);
      const running = (sidecar: Sidecar) => {
        const started = performance.now();
        return act({ netns, sidecar, cgroup, age: () => performance.now() - started }, hooks);
      };
      try {
        return await withSidecar(netns, place, env, running, { program, openFiles: 1024, cgroup });
      } finally {
        for (const path of cgroupsOf(`/${parent}`)) await removeCgroup(path);
      }
    }),
  );
}

async function wire({ ip }: TestNetns, network: string): Promise<void> {
  const podLink = hashedPodIfname(network);
  await ip(`link add ${podLink} mtu 1500 type veth peer name p${podLink.slice(3)}`);
  await ip(`tuntap add dev ${secondaryTapIfname(podLink)} mode tap user 107 group 107 vnet_hdr`);
}

/** A pod link with addresses, and what ADD does for a guest that gets them. */
async function wireServed(netns: TestNetns, network: string): Promise<void> {
  const { ip } = netns;
  const [podLink, index] = [hashedPodIfname(network), network.slice('net'.length)];
  const outer = `p${podLink.slice(3)}`;
  await ip(`link add ${podLink} mtu 1500 type veth peer name ${outer}`);
  for (const link of [podLink, outer]) await ip(`link set ${link} addrgenmode none up`);
  await ip(`addr add 10.0.${index}.10/24 dev ${podLink}`);
  await ip(`addr add 2001:db8:${index}::10/64 dev ${podLink} nodad`);
  await wirePod({ netns }, { guestAddresses: 'pod', spoofGuard: 'off' }, 'program', network, network);
}

function vmiOf(names: readonly string[]): Buffer {
  return vmiJson({
    interfaces: names.map((name) => ({ name, binding: { name: 'tapwire' } })),
    networks: names.map((name) => ({ name, multus: { networkName: `lab/${name}` } })),
  });
}

/** A domain with as many disks as it needs to have at least this many bytes. */
function domainOf(size: number): string {
  const disks: string[] = [];
  for (let bytes = 0; bytes < size; bytes += disks.at(-1)?.length ?? 0) disks.push(disk(disks.length));
  return `<domain type="kvm">\n\t<name>lab_vm1</name>\n\t<devices>\n${disks.join('')}\t</devices>\n</domain>`;
}

const disk = (index: number): string => `\t\t<disk device="disk" type="file" model="virtio-non-transitional">
\t\t\t<source file="/var/run/kubevirt-private/vmi-disks/disk${index}/disk.img"></source>
\t\t\t<target bus="virtio" dev="vd${index}"></target>
\t\t\t<driver cache="none" error_policy="stop" name="qemu" type="raw" discard="unmap"></driver>
\t\t\t<alias name="ua-disk${index}"></alias>
\t\t</disk>\n`;

/** Resident anonymous memory, which the kernel cannot reclaim, in MiB. */
export const anonymousMemory = (sidecar: Sidecar): number =>
  Number.parseInt(processStatus(sidecar, 'RssAnon'), 10) / 1024;
