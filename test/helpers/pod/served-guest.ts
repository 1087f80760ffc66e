/** A guest whose pod serves it: what the real plugin, the sidecar and a DHCP client make of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { HANG } from '../hang.ts';
import { cni } from '../plugin/cni.ts';
import type { Client, RunningClient } from './clients/client.ts';
import { type Configured, configuredOn, NIC, type Told } from './clients/seen.ts';
import { type GuestSystem, withGuestSystem } from './clients/system.ts';
import { type FrameSocket, withFrames } from './frames.ts';
import { canPing, type EthernetGuest, withEthernetGuest } from './guest.ts';
import { PORT, withListeners } from './listeners.ts';
import type { TestNetns } from './netns.ts';
import {
  FAR,
  type Family,
  type NetworkedPod,
  OUTER,
  POD_MAC,
  type PodNetwork,
  withNetwork,
} from './served-network.ts';
import { serviceOf } from './service-frames.ts';
import { type Serve, withServe } from './serving.ts';

export interface ServedGuest {
  readonly pod: NetworkedPod;
  readonly guest: EthernetGuest;
  readonly system: GuestSystem;
  /** Runs the sidecar during `act`. */
  readonly serve: Serve;
  /** Frames that have arrived from the pod. */
  readonly outside: FrameSocket;
}

/** A pod on this network after ADD, and a guest that is not plugged in yet. */
export const withServedGuest = <T>(
  network: PodNetwork,
  families: readonly Family[],
  act: (served: ServedGuest) => Promise<T>,
): Promise<T> =>
  withNetwork(network, families, async (pod) => {
    const add = await cni('ADD', {
      netns: pod.pod.path,
      network: 'default',
      conf: { guestAddresses: 'pod' },
    });
    assert.is(add.exitCode, 0, add.stdout);
    return withFrames(async (open) => {
      const outside = await open(pod.router, 'link', OUTER);
      return withEthernetGuest(POD_MAC, async (guest) => {
        await guest.netns.ip(`link set ${NIC} addrgenmode eui64`);
        return withServe(pod, (serve) =>
          withGuestSystem(guest.netns, (system) => act({ pod, guest, system, serve, outside })),
        );
      });
    });
  });

/** What the client and the kernel have made of the answers, and who reaches whom. */
export interface Outcome {
  readonly configured: Configured;
  readonly told: Partial<Told>;
  /** Names of what does not work. */
  readonly unreachable: readonly string[];
  /** Requests, answers and ARP of the services that left the pod. */
  readonly leaked: readonly string[];
  /** Number of frames that left the pod. */
  readonly sent: number;
  /** Lines of the foreign DHCP server about requests. */
  readonly foreign: readonly string[];
}

/** Waits until `read` returns what is wanted, and returns the last value in any case. */
export async function settle<T>(read: () => Promise<T>, want: T): Promise<T> {
  const deadline = performance.now() + HANG;
  for (;;) {
    const last = await read();
    if (isDeepStrictEqual(last, want) || performance.now() > deadline) return last;
    await sleep(50);
  }
}

export interface Wanted {
  readonly configured: Configured;
  /** Without what the guest is not told. */
  readonly told: Partial<Told>;
}

/** The values of `all` that `want` has, too. */
const only = <T extends object>(all: T, want: Partial<T>): Partial<T> =>
  Object.fromEntries(Object.entries(all).filter(([key]) => key in want)) as Partial<T>;

/** Runs the sidecar, plugs the guest in, and starts a client in it. */
export const withClient = <T>(
  { pod, guest, system, serve }: ServedGuest,
  client: Client,
  act: (running: RunningClient) => Promise<T>,
): Promise<T> => serve(() => guest.plugInto(pod.pod, async () => act(await client.start(system))));

/** Waits until the guest has what is wanted, and looks who reaches whom. */
export async function outcomeOf(served: ServedGuest, running: RunningClient, want: Wanted): Promise<Outcome> {
  const { pod, guest, outside } = served;
  const configured = await settle(() => configuredOn(guest.netns), want.configured);
  const told = await settle(async () => only(await running.told(), want.told), want.told);
  return {
    configured,
    told,
    unreachable: await failuresOf(served, configured),
    leaked: leakedTo(outside),
    sent: outside.received.length,
    foreign: requestsIn(pod.foreignLog()),
  };
}

/** Who does not reach whom: by ping and TCP, in both directions, with each address of the guest. */
export async function failuresOf(
  { pod, guest }: ServedGuest,
  configured: Configured,
): Promise<readonly string[]> {
  const { far } = pod;
  const checks: [string, Promise<boolean>][] = [];
  const plain = (addresses: readonly string[]) => addresses.map((one) => one.split('/')[0] ?? '');
  const own = { 4: plain(configured.addresses4), 6: plain(configured.addresses6) } as const;
  await withListeners(far, () =>
    withListeners(guest.netns, async () => {
      for (const family of [4, 6] as const) {
        for (const address of own[family]) {
          checks.push([`ping from ${address} to outside`, canPing(guest.netns, FAR[family])]);
          checks.push([`ping from outside to ${address}`, canPing(far, address)]);
          checks.push([`TCP from ${address} to outside`, canConnect(guest.netns, FAR[family])]);
          checks.push([`TCP from outside to ${address}`, canConnect(far, address)]);
        }
      }
      await Promise.all(checks.map(([, done]) => done));
    }),
  );
  const failures = await Promise.all(checks.map(async ([what, done]) => ((await done) ? [] : [what])));
  return failures.flat();
}

/** Whether a connection to the port of `withListeners` is accepted. */
export async function canConnect({ name }: TestNetns, address: string): Promise<boolean> {
  const words = ['netns', 'exec', name, 'busybox', 'nc', '-w', '5', address, `${PORT}`, '-e', 'true'];
  return (await execa('ip', words, { reject: false })).exitCode === 0;
}

const SERVER = 'a9fe4b0a'; // 169.254.75.10

export const leakedTo = ({ received }: FrameSocket): readonly string[] =>
  received.flatMap((frame) => {
    const service = serviceOf(frame);
    if (service !== null) return [service];
    return frame.includes(SERVER) ? [`frame for the server: ${frame}`] : [];
  });

/** What the foreign server writes of what others send to it. */
const requestsIn = (log: string): readonly string[] =>
  log.split('\n').filter((line) => /\b(DHCP[A-Z]+|RTR-SOLICIT)\(/.test(line));
