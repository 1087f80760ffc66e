import { join } from 'node:path';
import type { AgentName } from './agent.ts';
import type { GoPlugins } from './go-plugins.ts';
import type { Kubelet } from './kubelet.ts';
import type { Pod } from './pods.ts';
import { AGENT, ALONE, BRIDGE, MACVLAN, MACVTAP, MACVTAP_MASTER, TAP } from './results.ts';

/** Paths of a run, in its own mount namespace (isolation.ts). */
export interface Place {
  /**
   * The CNI bin directory: the executable and its fallback as README installs them, and the test
   * build.
   */
  readonly cniBin: string;
  /** Data directory of host-local. */
  readonly ipam: string;
  /** Path of the socket of the agent for macvtap. */
  readonly macvtapSocket: string;
  /** Path of a socket on which no process listens. */
  readonly noSocket: string;
}

/** A plugin and the parameters of its calls. */
export interface Peer {
  readonly name: string;
  readonly program: string;
  readonly conf: Readonly<Record<string, unknown>>;
  /** Keys of the configuration that differ from pod to pod. */
  readonly confOf?: (pod: Pod) => Readonly<Record<string, unknown>>;
  /** CNI_IFNAME. */
  readonly ifname: string;
  /** Environment variables in addition to CNI's. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * The link that ADD creates in the pod's netns and DEL deletes; `lo` is set up and down instead.
   */
  readonly makes: string;
  /** The agent that does the work of its calls. */
  readonly agent: AgentName | null;
}

/** Stands for the node's NIC: the master of macvlan's links. */
export const UPLINK = 'up0';

const base = (name: string, type: string) => ({ cniVersion: '1.0.0', name, type });

/**
 * Tapwire as a KubeVirt binding on the pod's network, with and without the agent.
 *
 * `tapwire` is the installed executable, which finds the agent at the usual path. `tapwire-alone`
 * is the build for tests, configured with an agent socket that does not exist.
 */
export function tapwirePeers({ cniBin, noSocket }: Place, hasAgent: boolean): readonly Peer[] {
  const common = {
    conf: { ...base('tapwire-tap', 'tapwire'), args: { cni: { logicNetworkName: 'default' } } },
    ifname: 'net1',
    makes: 'tap0',
  };
  const agent = { ...common, name: AGENT, program: `${cniBin}/tapwire`, agent: 'tap' } as const;
  const env = { TAPWIRE_AGENT_SOCKET: noSocket };
  const alone = { ...common, name: ALONE, program: `${cniBin}/tapwire-test`, env, agent: null };
  return hasAgent ? [agent, alone] : [alone];
}

/**
 * Tapwire's macvtap on the node's NIC, by the agent. `tapwire-macvtap` has a device, so ADD asks
 * kubelet whether the pod got it; `tapwire-macvtap-master` names the NIC instead.
 */
export function macvtapPeers({ cniBin, macvtapSocket }: Place, kubelet: Kubelet): readonly Peer[] {
  const common = {
    program: `${cniBin}/tapwire-test`,
    env: { TAPWIRE_AGENT_SOCKET: macvtapSocket },
    ifname: 'net1',
    makes: 'net1',
    agent: 'macvtap',
  } as const;
  const conf = { ...base('tapwire-macvtap', 'tapwire'), binding: 'macvtap' };
  return [
    { ...common, name: MACVTAP, conf, confOf: (pod) => ({ deviceID: kubelet.deviceOf(pod) }) },
    { ...common, name: MACVTAP_MASTER, conf: { ...conf, master: UPLINK } },
  ];
}

/**
 * Go's plugins. They run without IPAM, because a binding plugin assigns no
 * addresses either; only ptp requires IPAM.
 */
export function goPeers({ ipam }: Place, { directory, tap }: GoPlugins): readonly Peer[] {
  const common = { ifname: 'net1', makes: 'net1', agent: null };
  const hostLocal = { type: 'host-local', dataDir: ipam, ranges: [[{ subnet: '10.99.0.0/16' }]] };
  return [
    { ...common, name: BRIDGE, conf: { ...base('b', 'bridge'), bridge: 'cni0', ipam: {} } },
    {
      ...common,
      name: MACVLAN,
      conf: { ...base('m', 'macvlan'), master: UPLINK, mode: 'bridge', ipam: {} },
    },
    // It starts `ip`.
    { ...common, name: TAP, conf: { ...base('t', 'tap'), ipam: {} }, env: { PATH: '/usr/sbin:/usr/bin' } },
    { ...common, name: 'ptp', conf: { ...base('p', 'ptp'), ipam: hostLocal } },
    { ...common, name: 'loopback', conf: base('l', 'loopback'), ifname: 'lo', makes: 'lo' },
  ].flatMap((peer) => {
    const program = peer.name === TAP ? tap : join(directory, peer.name);
    return program === null ? [] : [{ ...peer, program }];
  });
}

/** A plugin from the command line, whose ADD creates the link CNI_IFNAME. */
export const guestPeer = (name: string, program: string, conf: Readonly<Record<string, unknown>>): Peer => ({
  name,
  program,
  conf,
  ifname: 'net1',
  makes: 'net1',
  agent: null,
});
