/** A pod whose guests are served by sidecars, and a guest on a tap that sends frames. */
import { execa } from 'execa';
import { hashedPodIfname } from '../../../shared/kubevirt/names.ts';
import { until } from '../agent/agent-node.ts';
import { makeHookDirectory, type Sidecar, withHookPlace, withSidecar } from '../sidecar/sidecar.ts';
import { type FrameSocket, type OpenFrames, withFrames } from './frames.ts';
import { type AddressedPod, wire, withAddressedPod } from './guarded-pod.ts';
import type { TestNetns } from './netns.ts';
import { ANSWERS, GUEST_LINK_LOCAL, requestsOf, type Service, serviceOf } from './service-frames.ts';
import { MAC } from './spoof-kinds.ts';

/** Time in ms after which a guest asks again. */
const ASK_PAUSE = 1_000;

export interface ServedPod extends AddressedPod {
  /**
   * Runs a sidecar, as many as one likes at a time.
   *
   * @param hooks hook directory of an earlier one; by default a new one
   */
  withSidecar<T>(act: (sidecar: Sidecar, hooks: string) => Promise<T>, hooks?: string): Promise<T>;
  /** Runs ADD. */
  wire(network?: string): Promise<void>;
  /** Opens a tap as its guest. */
  open(tap?: string): Promise<FrameSocket>;
}

/** A pod with the pod link eth0 and without taps. */
export const withServedPod = <T>(act: (pod: ServedPod) => Promise<T>): Promise<T> =>
  withFrames((open) =>
    withAddressedPod('veth', (pod) =>
      withHookPlace((place) => {
        let count = 0;
        return act({
          ...pod,
          wire: (network) => wire(pod, { guestAddresses: 'pod', spoofGuard: 'off' }, 'program', network),
          open: (tap = 'tap0') => openTap(open, pod.netns, tap),
          withSidecar(run, earlier) {
            count += 1;
            const hooks = earlier ?? makeHookDirectory(`${place}/hooks${count}`);
            const env = { TAPWIRE_HOOK_DIR: hooks };
            const setting = { program: 'dist/sidecar/index.js', openFiles: 64 };
            return withSidecar(pod.netns, place, env, (sidecar) => run(sidecar, hooks), setting);
          },
        });
      }),
    ),
  );

/** The network `second`: a pod link with an address of each family, and its tap. */
export async function wireSecond({ netns, outside, wire }: ServedPod): Promise<void> {
  const link = hashedPodIfname('second');
  await netns.ip(`link add ${link} address ${MAC} type veth peer name host1 netns ${outside.name}`);
  await outside.ip('link set host1 addrgenmode none up');
  await netns.ip(`link set ${link} addrgenmode none up`);
  await netns.ip(`addr add 198.51.100.10/24 dev ${link}`);
  await netns.ip(`addr add 2001:db8:2::10/64 dev ${link} nodad`);
  await wire('second');
}

/** The kernel knows the MAC of the guest, so that a test need not reply to its questions. */
async function openTap(open: OpenFrames, netns: TestNetns, tap: string): Promise<FrameSocket> {
  const guest = await open(netns, 'tap', tap);
  await knowGuest(netns, tap);
  return guest;
}

/** The kernel forgets it when the tap goes down. */
export const knowGuest = ({ ip }: TestNetns, tap = 'tap0'): Promise<string> =>
  ip(`neigh replace ${GUEST_LINK_LOCAL} lladdr ${MAC} dev ${tap} nud permanent`);

export const countOf = (frames: readonly string[], service: Service): number =>
  frames.filter((frame) => serviceOf(frame) === service).length;

/** Waits until a guest has asked for all services, or for some, and each has answered. */
export async function getsServed(guest: FrameSocket, services: readonly Service[] = ANSWERS): Promise<void> {
  const start = guest.received.length;
  const missing = () => {
    const answers = guest.received.slice(start).map(serviceOf);
    return services.filter((service) => !answers.includes(service));
  };
  let last = Number.NEGATIVE_INFINITY;
  const isServed = () => {
    if (performance.now() >= last + ASK_PAUSE) {
      for (const request of requestsOf(MAC)) guest.send(request);
      last = performance.now();
    }
    return missing().length === 0;
  };
  await until('the guest is served', isServed, () => `it got no ${missing().join(', no ')}`);
}

const READ_COUNTS = "require('net').connect('\\0tapwire-guest-services').pipe(process.stdout)";

/** What the sidecar that serves the pod has counted on a tap: `DHCPv4 OFFER` → number. */
export async function countsOf(
  { path }: TestNetns,
  tap = 'tap0',
): Promise<Readonly<Record<string, number | undefined>>> {
  const { stdout } = await execa('nsenter', [`--net=${path}`, process.execPath, '-e', READ_COUNTS]);
  return JSON.parse(stdout)[tap] ?? {};
}
