/** Pods that are not hostile. Their calls are random, and some of the callers are killed. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../shared/errors.ts';
import { ifindexWithoutDevice } from '../../shared/kubelet/device-id.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { type Call, newContainerId } from '../helpers/plugin/cni.ts';
import { callOf, KINDS, type PodKind, PRIMARY, withPodOf } from '../helpers/plugin/kinds.ts';
import { BLUE, LOWER } from '../helpers/plugin/macvtap-node.ts';
import { dumpNetns, sameNetns, type TestNetns } from '../helpers/pod/netns.ts';
import type { Node } from './node.ts';
import type { Outcome, Way } from './verdict.ts';

/** Longest pause between two calls for a pod, in ms. */
const MAX_PAUSE = 1000;
/** Shares of calls. */
const ONE_SHOT = 0.1;
const KILLED = 0.1;
/** Duration of a call in ms, as long as none was made. A caller is killed during its call. */
const FIRST_DURATION = 50;

/** As many queues as the VM asks for. */
const MULTI_QUEUE: PodKind = { ...PRIMARY, call: { network: 'default', conf: { multiQueue: true } } };
/** With guest services, and a guard; an older version does not know the keys. */
const GUARDED: readonly PodKind[] = [
  { ...PRIMARY, call: { network: 'default', conf: { guestAddresses: 'pod', spoofGuard: 'addresses' } } },
  {
    ...(KINDS['macvlan'] as PodKind),
    call: { network: 'default', conf: { guestAddresses: 'pod', spoofGuard: 'mac' } },
  },
];
/** On the node's lower device; the pod's own link stays as it is. */
const MACVTAP: PodKind = {
  link: 'eth0',
  call: { ifname: BLUE, conf: { binding: 'macvtap', master: LOWER } },
  tap: null,
};

export interface Pod {
  readonly kind: PodKind;
  readonly netns: TestNetns;
  /** State before the first call. */
  readonly before: Readonly<Record<string, unknown>>;
  readonly number: number;
  readonly containerId: string;
}

/** Creates pods of all kinds. */
export function withPods(count: number, hasMacvtap: boolean, act: (pods: readonly Pod[]) => Promise<void>) {
  const kinds = [...Object.values(KINDS), MULTI_QUEUE, ...GUARDED, ...(hasMacvtap ? [MACVTAP] : [])];
  const more = (pods: readonly Pod[]): Promise<void> =>
    pods.length === count
      ? act(pods)
      : withPodOf(kinds[pods.length % kinds.length] as PodKind, async (netns) =>
          more([
            ...pods,
            {
              kind: kinds[pods.length % kinds.length] as PodKind,
              netns,
              before: await dumpNetns(netns),
              number: pods.length,
              containerId: newContainerId(),
            },
          ]),
        );
  return more([]);
}

export interface Reports {
  outcome(outcome: Outcome): void;
  problem(text: string): void;
}

/**
 * Makes random calls for a pod until `isOver`, and ends with a DEL. What a killed caller has done
 * is not known, so an ADD or a DEL must follow. Compares the netns after each DEL.
 */
export async function callAtRandom(
  { kind, netns, before, number, containerId }: Pod,
  node: Node,
  { outcome: report, problem }: Reports,
  isOver: () => boolean,
): Promise<void> {
  let state: 'free' | 'wired' | 'unknown' = 'free';
  let result: object | undefined;
  const durations: Record<Way, number> = { agent: FIRST_DURATION, 'one-shot': FIRST_DURATION };

  const callOnce = async (command: string, mayKill: boolean): Promise<void> => {
    const way: Way = Math.random() < ONE_SHOT ? 'one-shot' : 'agent';
    const isToBeKilled = mayKill && Math.random() < KILLED;
    const killAfter = isToBeKilled ? Math.ceil(Math.random() * durations[way]) : undefined;
    const name = `K8S_POD_NAME=virt-launcher-vm${number}-abcde`;
    const call: Call = {
      ...callOf(kind, netns, command, result),
      containerId,
      env: { CNI_ARGS: `IgnoreUnknown=true;K8S_POD_NAMESPACE=vms;${name};K8S_POD_UID=${number}` },
    };
    const outcome = await node.call(command, call, way, killAfter);
    report(outcome);
    if (!outcome.isKilled) durations[way] = outcome.ms;
    const isDone = !outcome.isKilled && outcome.exitCode === 0;
    if (command === 'CHECK') return;
    state = !isDone ? 'unknown' : command === 'ADD' ? 'wired' : 'free';
    if (isDone && command === 'ADD') result = JSON.parse(outcome.stdout);
    if (isDone && command === 'DEL') await compare(`${command} by ${way}`);
  };

  const deviceNode = `/dev/tap${ifindexWithoutDevice(containerId, BLUE)}`;
  const compare = async (what: string): Promise<void> => {
    try {
      sameNetns(await dumpNetns(netns), before, `pod ${number} (${kind.link}), ${what}`);
      if (kind === MACVTAP) await until(`${deviceNode} is deleted`, () => !existsSync(deviceNode));
    } catch (error) {
      problem(messageOf(error));
    }
  };

  while (!isOver()) {
    await sleep(Math.random() * MAX_PAUSE);
    await callOnce(nextOf(state), true);
  }
  await callOnce('DEL', false);
}

function nextOf(state: 'free' | 'wired' | 'unknown'): string {
  const dice = Math.random();
  if (state === 'free') return dice < 0.85 ? 'ADD' : 'DEL';
  if (state === 'unknown') return dice < 0.5 ? 'ADD' : 'DEL';
  return dice < 0.5 ? 'DEL' : dice < 0.9 ? 'CHECK' : 'ADD';
}
