/** Pods of the recordings: the calls of the plugin for each, and a netns with the same links. */
import { hashedPodIfname } from '../../../shared/kubevirt/names.ts';
import type { Json } from '../cluster/cni-runtime.ts';
import { withSandbox } from '../cluster/cni-runtime.ts';
import { type TestNetns, withNetns } from '../pod/netns.ts';
import { annotationOf, filesIn, type RecordedCall, recordedCalls, recordedJson } from './recorded.ts';

export interface RecordedPod {
  /** Caller and case, which also name the files: `thin primary`. */
  readonly title: string;
  /** Calls of Tapwire, in order of time. */
  readonly calls: readonly RecordedCall[];
  /** The link of the cluster's network: MAC, and addresses with their prefix lengths. */
  readonly eth0: {
    readonly mac: string;
    readonly addresses: readonly string[];
    readonly gateways: readonly string[];
  };
  /** MACs of macvlan links by name. */
  readonly secondary: ReadonlyMap<string, string>;
}

/**
 * Every pod for which Tapwire was called. The calls of one caller without a container (STATUS)
 * count as one pod.
 */
export function recordedPods(): readonly RecordedPod[] {
  const all = recordedCalls();
  const ours = Map.groupBy(
    all.filter(({ plugin }) => plugin === 'tapwire'),
    ({ caller, env }) => `${caller} ${env['CNI_CONTAINERID']}`,
  );
  return [...ours.values()].map((calls) => podOf(calls, all));
}

function podOf(calls: readonly RecordedCall[], all: readonly RecordedCall[]): RecordedPod {
  const [first] = calls;
  if (first === undefined) throw new Error('No call');
  const { caller, case: name } = first;
  const path = `pods/${caller}-${name}.json`;
  const status: Json[] | undefined = filesIn('pods').includes(path)
    ? annotationOf(recordedJson(path), 'network-status')
    : undefined;
  const results = calls.map(({ stdin }) => stdin.prevResult).filter((result) => result?.interfaces);
  // A pod that never ran has no status, and its calls may have no result with eth0. The eth0 of
  // another pod, on the same network, stands in.
  const like = all.find(({ plugin, command, caller: by }) => {
    return plugin === 'bridge' && command === 'ADD' && (by === caller || caller === 'containerd');
  });
  const primary = results.find(({ interfaces }) => interfaces.some(isEth0)) ?? like?.stdout;
  const inSandbox = primary.interfaces.find(isEth0);
  const own = status?.find(isEth0);
  const ips: string[] = primary.ips.map(({ address }: Json) => address);
  return {
    title: `${caller} ${name}`,
    calls,
    eth0: {
      mac: own?.mac ?? inSandbox.mac,
      addresses: own === undefined ? ips : ips.map((ip, i) => `${own.ips[i]}/${ip.split('/')[1]}`),
      gateways: primary.ips.map(({ gateway }: Json) => gateway),
    },
    secondary: new Map(
      [...(status ?? []), ...results.flatMap(({ interfaces }) => interfaces)]
        .filter((entry) => !isEth0(entry))
        .map(({ interface: ifname, name: link, mac }) => [ifname ?? link, mac]),
    ),
  };
}

/** Whether an interface of a result, or an entry of a network status, is eth0. */
const isEth0 = ({ interface: ifname, name }: Json): boolean => (ifname ?? name) === 'eth0';

/** The secondary pod link that a call concerns; undefined if it concerns another link. */
export function secondaryOf({ ifname, stdin }: RecordedCall, { secondary }: RecordedPod): string | undefined {
  const network: string | undefined = stdin.args?.cni?.logicNetworkName;
  const podLink = network === undefined ? ifname : hashedPodIfname(network);
  return secondary.has(podLink) ? podLink : undefined;
}

/**
 * Runs `act` with a netns that has only the pod's `eth0`, and a node that has `bond0`, the parent
 * of the macvlan links. `act` adds those with `addMacvlan`.
 */
export function withRecordedPod<T>(
  { eth0 }: Pick<RecordedPod, 'eth0'>,
  act: (netns: TestNetns, node: TestNetns) => Promise<T>,
): Promise<T> {
  return withNetns((node) =>
    withSandbox(async (netns) => {
      await node.ip('link add bond0 type veth peer name wire0');
      for (const link of ['wire0', 'bond0']) await node.ip(`link set ${link} up`);
      await node.ip(`link add veth0 type veth peer name eth0 address ${eth0.mac} netns ${netns.name}`);
      for (const [in_, link] of [
        [node, 'veth0'],
        [netns, 'eth0'],
      ] as const)
        await in_.ip(`link set ${link} up`);
      for (const address of eth0.addresses) await netns.ip(`addr add ${address} dev eth0`);
      for (const gateway of eth0.gateways) await netns.ip(`route add default via ${gateway}`);
      return act(netns, node);
    }),
  );
}

/** Adds a macvlan link as the macvlan plugin does. */
export async function addMacvlan(
  netns: TestNetns,
  node: TestNetns,
  ifname: string,
  mac: string,
): Promise<void> {
  await node.ip(
    `link add link bond0 name ${ifname} netns ${netns.name} address ${mac} type macvlan mode bridge`,
  );
  await netns.ip(`link set ${ifname} up`);
}
