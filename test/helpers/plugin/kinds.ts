/** Pods that every version of Tapwire can wire: links of all kinds, and the bindings. */
import { hashedPodIfname, PRIMARY_TAP_IFNAME, secondaryTapIfname } from '../../../shared/kubevirt/names.ts';
import { until } from '../agent/agent-node.ts';
import { type TestNetns, withNetns, withPod } from '../pod/netns.ts';
import type { Call } from './cni.ts';

const BLUE = hashedPodIfname('blue');

/** A pod that every version can wire. */
export interface PodKind {
  /** Name of the pod link. */
  readonly link: string;
  /** Turns a pod with a veth into this kind of pod. */
  readonly prepare?: (netns: TestNetns, outside: TestNetns) => Promise<unknown>;
  /** Whether ADD finds the pod link down. */
  readonly isDown?: true;
  readonly call: Omit<Call, 'netns'>;
  /** The result of the plugin before Tapwire in the chain; a binding has none. */
  readonly resultBefore?: (netns: TestNetns) => object;
  /** Name of the tap that ADD creates; null if it creates none. */
  readonly tap: string | null;
}

export const PRIMARY = { link: 'eth0', call: { network: 'default' }, tap: PRIMARY_TAP_IFNAME } as const;

export const KINDS: Readonly<Record<string, PodKind>> = {
  veth: PRIMARY,
  macvlan: {
    ...PRIMARY,
    prepare: async ({ ip }) => {
      await ip('link set eth0 name lower0');
      await ip('link set lower0 up');
      await ip('link add eth0 link lower0 mtu 1400 type macvlan mode bridge');
      await ip('link set eth0 addrgenmode none');
      await ip('link set eth0 up');
    },
  },
  'a veth into a bridge': {
    ...PRIMARY,
    prepare: async ({ ip }, outside) => {
      await ip(`link set host0 netns ${outside.name}`);
      await outside.ip('link add cni0 type bridge');
      await outside.ip('link set cni0 up');
      await outside.ip('link set host0 master cni0 up');
    },
  },
  'a secondary network': {
    link: BLUE,
    call: { network: 'blue', ifname: 'net3' },
    tap: secondaryTapIfname(BLUE),
  },
  'a network of its own': {
    link: BLUE,
    call: { ifname: BLUE },
    resultBefore: ({ path }) => ({ cniVersion: '1.0.0', interfaces: [{ name: BLUE, sandbox: path }] }),
    tap: secondaryTapIfname(BLUE),
  },
  'a clsact qdisc of another program, with a filter': {
    ...PRIMARY,
    prepare: async ({ tc }) => {
      await tc('qdisc add dev eth0 clsact');
      await tc('filter add dev eth0 egress protocol ip pref 10 u32 match ip dport 67 0xffff flowid 1:1');
    },
  },
  'a link that is down': {
    ...PRIMARY,
    prepare: async ({ ip }) => {
      // The kernel adds this address sooner or later, and keeps it while the link is down.
      await until('host0 has its address', async () => (await ip('-6 addr show dev host0')).includes('fe80'));
      await ip('link set eth0 down');
    },
    isDown: true,
  },
  passt: { link: 'eth0', call: { network: 'default', conf: { binding: 'passt' } }, tap: null },
};

/** A pod of this kind, which no call has changed yet. */
export const withPodOf = <T>(kind: PodKind, act: (netns: TestNetns) => Promise<T>): Promise<T> =>
  withNetns((outside) =>
    withPod(kind.link, async (netns) => {
      await kind.prepare?.(netns, outside);
      return act(netns);
    }),
  );

/**
 * A call for a pod as libcni makes it: ADD gets the result of the plugin before, other commands
 * that of ADD.
 *
 * @param result of the last ADD
 */
export function callOf(kind: PodKind, netns: TestNetns, command: string, result?: object): Call {
  const prevResult = command === 'ADD' ? kind.resultBefore?.(netns) : result;
  const conf = { ...kind.call.conf, ...(prevResult === undefined ? {} : { prevResult }) };
  return { ...kind.call, conf, netns: netns.path };
}
