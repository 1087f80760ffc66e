import type { Cost } from './cost.ts';
import type { Spread } from './statistics.ts';

/** Names of peers that have targets or that others are compared with. */
export const AGENT = 'tapwire';
export const ALONE = 'tapwire-alone';
export const MACVTAP = 'tapwire-macvtap';
export const MACVTAP_MASTER = 'tapwire-macvtap-master';
export const BRIDGE = 'bridge';
export const MACVLAN = 'macvlan';
export const TAP = 'tap';

export interface Machine {
  readonly kernel: string;
  readonly cpu: string;
  readonly cpus: number;
  /** GiB */
  readonly memory: number;
  readonly node: string;
  /** Version of Debian's containernetworking-plugins. */
  readonly plugins: string;
}

export interface CallCosts {
  readonly peer: string;
  readonly add: Cost;
  readonly del: Cost;
  /**
   * ADDs immediately after a DEL of the same attachment: how many were tried, how many succeeded.
   */
  readonly addBehindDel: { readonly tried: number; readonly done: number };
}

export interface Burst {
  /** From the first start to the last exit, ms. */
  readonly wall: Spread;
  /** CPU time of all called processes together, ms. */
  readonly cpu: Spread;
  /** CPU time of the agent, ms. */
  readonly agentCpu: Spread;
  /** Peak memory of the cgroup of the called processes, MiB. */
  readonly memory: Spread;
  /** Peak memory of the agent, MiB; null without an agent. */
  readonly agentMemory: Spread | null;
}

export interface BurstCosts {
  readonly peer: string;
  /** Number of calls at once. */
  readonly calls: number;
  readonly add: Burst;
  readonly del: Burst;
}

export interface GrowthCosts {
  readonly peer: string;
  /** Number of pods on the node that this peer had wired before. */
  readonly pods: number;
  readonly add: Cost;
  /**
   * Cost of a C program that makes the same kernel requests, in the same rounds; null if not
   * measured.
   */
  readonly kernel: Cost | null;
}

export interface LimitCosts {
  readonly peer: string;
  readonly add: Cost;
  readonly atOnce: {
    readonly calls: number;
    readonly succeeded: number;
    readonly oomKills: number;
    /** ms */
    readonly wall: number;
    /** MiB */
    readonly memory: number;
  };
}

export interface FloorCosts {
  readonly peer: string;
  readonly version: Cost;
  readonly add: Cost;
}

/**
 * Costs of the hook sidecar for a VM with `interfaces` interfaces of Tapwire and a domain of 20 KB.
 */
export interface HookCosts {
  readonly interfaces: number;
  /** From exec to the reply to Info, with 200m CPU, ms. */
  readonly start: Spread;
  /**
   * From the socket's appearance to the reply to Info, as a share of exec to socket. virt-launcher
   * waits 1 s for it.
   */
  readonly firstReply: Spread;
  /** From exec to exit of a Node.js that does nothing, under the same limits, ms. */
  readonly emptyNode: Spread;
  /** The first calls of OnDefineDomain without a CPU limit, each on a new connection, ms. */
  readonly first: Spread;
  /** The next thousand calls, ms. */
  readonly define: { readonly median: number; readonly p99: number };
  /** A thousand calls of Info, which does nothing, ms. */
  readonly info: { readonly median: number; readonly p99: number };
  /** Resident anonymous memory after the calls of OnDefineDomain, in a cgroup of 64 MB, MiB. */
  readonly memory: number;
  readonly oomKills: number;
}

/** What an option costs for each frame that a guest sends. */
export interface FrameCosts {
  /** The option, and the form of the spoof guard. */
  readonly option: string;
  /** From the write to the tap to its return, ns. */
  readonly ipv4: Spread;
  readonly ipv6: Spread;
}

/** What guestAddresses and spoofGuard cost. */
export interface PassageCosts {
  /** Costs of calls; `peer` is the name of the option. */
  readonly calls: readonly CallCosts[];
  readonly frames: readonly FrameCosts[];
}

/** The results of a run. A section that was not measured is absent. */
export interface Results {
  readonly machine: Machine;
  readonly calls?: readonly CallCosts[];
  readonly atOnce?: readonly BurstCosts[];
  readonly growth?: readonly GrowthCosts[];
  readonly limits?: readonly LimitCosts[];
  readonly floor?: readonly FloorCosts[];
  readonly passage?: PassageCosts;
  readonly hooks?: readonly HookCosts[];
}

export const ofPeer = <T extends { readonly peer: string }>(rows: readonly T[] | undefined, peer: string) =>
  rows?.find((row) => row.peer === peer);
