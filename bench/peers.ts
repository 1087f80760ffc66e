import { AGENT, ALONE, BRIDGE } from './results.ts';

/** Where everything of a run is, in its own mount namespace: see isolation.ts. */
export interface Place {
  /** Tapwire as README installs it: the executable, and beside it its runtime and the test build. */
  readonly cniBin: string;
  /** What host-local writes down. */
  readonly ipam: string;
  /** A socket that nobody listens on. */
  readonly noSocket: string;
}

/** A plugin, and how it is called. */
export interface Peer {
  readonly name: string;
  readonly program: string;
  readonly conf: Readonly<Record<string, unknown>>;
  /** CNI_IFNAME. */
  readonly ifname: string;
  /** Environment beside CNI's. */
  readonly env?: Readonly<Record<string, string>>;
  /** The link that ADD makes in the pod's netns, and DEL takes away; of `lo`, whether it is up. */
  readonly makes: string;
  /** Whether the agent works for it. */
  readonly usesAgent: boolean;
}

/** Debian's folder of CNI plugins. */
export const GO_BIN = '/usr/lib/cni';
/** Stands for the node's NIC: what macvlan puts its links on. */
export const UPLINK = 'up0';

const base = (name: string, type: string) => ({ cniVersion: '1.0.0', name, type });

/**
 * Tapwire as a KubeVirt binding on the pod's network.
 *
 * `tapwire` is the executable that gets installed, and finds the agent where it is in life. `tapwire-alone` is the build for tests,
 * told to look for the agent where there is none.
 */
export function tapwirePeers({ cniBin, noSocket }: Place, hasAgent: boolean): readonly Peer[] {
  const common = {
    conf: { ...base('tapwire-tap', 'tapwire'), args: { cni: { logicNetworkName: 'default' } } },
    ifname: 'net1',
    makes: 'tap0',
  };
  const agent = { ...common, name: AGENT, program: `${cniBin}/tapwire`, usesAgent: true };
  const env = { TAPWIRE_AGENT_SOCKET: noSocket };
  const alone = { ...common, name: ALONE, program: `${cniBin}/tapwire-test`, env, usesAgent: false };
  return hasAgent ? [agent, alone] : [alone];
}

/** Go's plugins, without IPAM where they allow it: a binding plugin hands out no addresses either. ptp cannot do without. */
export function goPeers({ ipam }: Place): readonly Peer[] {
  const common = { ifname: 'net1', makes: 'net1', usesAgent: false };
  const hostLocal = { type: 'host-local', dataDir: ipam, ranges: [[{ subnet: '10.99.0.0/16' }]] };
  return [
    { ...common, name: BRIDGE, conf: { ...base('b', 'bridge'), bridge: 'cni0', ipam: {} } },
    {
      ...common,
      name: 'macvlan',
      conf: { ...base('m', 'macvlan'), master: UPLINK, mode: 'bridge', ipam: {} },
    },
    { ...common, name: 'ptp', conf: { ...base('p', 'ptp'), ipam: hostLocal } },
    { ...common, name: 'loopback', conf: base('l', 'loopback'), ifname: 'lo', makes: 'lo' },
  ].map((peer) => ({ ...peer, program: `${GO_BIN}/${peer.name}` }));
}

/** What the command line brings along: a plugin that makes CNI_IFNAME. */
export const guestPeer = (name: string, program: string, conf: Readonly<Record<string, unknown>>): Peer => ({
  name,
  program,
  conf,
  ifname: 'net1',
  makes: 'net1',
  usesAgent: false,
});
