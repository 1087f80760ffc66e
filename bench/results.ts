import type { Cost } from './cost.ts';
import type { Spread } from './statistics.ts';

/** Names of peers that the others are measured against, and that have targets. */
export const AGENT = 'tapwire';
export const ALONE = 'tapwire-alone';
export const BRIDGE = 'bridge';

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
  /** ADDs right behind a DEL of the same attachment: how many there were, how many succeeded. */
  readonly addBehindDel: { readonly tried: number; readonly done: number };
}

export interface Burst {
  /** From the first start to the last exit, ms. */
  readonly wall: Spread;
  /** Of all called processes together, ms. */
  readonly cpu: Spread;
  /** ms */
  readonly agentCpu: Spread;
  /** Peak of the cgroup that the called processes are in, MiB. */
  readonly memory: Spread;
  /** Peak of the agent, MiB; null without one. */
  readonly agentMemory: Spread | null;
}

export interface BurstCosts {
  readonly peer: string;
  /** Calls at once. */
  readonly calls: number;
  readonly add: Burst;
  readonly del: Burst;
}

export interface GrowthCosts {
  readonly peer: string;
  /** Pods that this peer had wired on the node before. */
  readonly pods: number;
  readonly add: Cost;
  /** A C program that makes the same requests of the kernel, in the same rounds; null where there is none. */
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

/** The hook sidecar, for a VM with so many interfaces of ours and a domain of 20 KB. */
export interface HookCosts {
  readonly interfaces: number;
  /** From exec to the answer to Info, with 200m CPU, ms. */
  readonly start: Spread;
  /** From the socket's appearance to the answer to Info, of the time from exec to the socket: virt-launcher waits 1 s for it. */
  readonly firstReply: Spread;
  /** From exec to exit of a Node.js that does nothing, in the same place, ms. */
  readonly emptyNode: Spread;
  /** The first calls of OnDefineDomain, unthrottled, each over a connection of its own, ms. */
  readonly first: Spread;
  /** A thousand calls after them, ms. */
  readonly define: { readonly median: number; readonly p99: number };
  /** As many calls of Info, for which nothing is done; ms. */
  readonly info: { readonly median: number; readonly p99: number };
  /** Resident anonymous memory after these, MiB, in a cgroup of 64 MB. */
  readonly memory: number;
  readonly oomKills: number;
}

/** Everything that a run found; a part that was left out is absent. */
export interface Results {
  readonly machine: Machine;
  readonly calls?: readonly CallCosts[];
  readonly atOnce?: readonly BurstCosts[];
  readonly growth?: readonly GrowthCosts[];
  readonly limits?: readonly LimitCosts[];
  readonly floor?: readonly FloorCosts[];
  readonly hooks?: readonly HookCosts[];
}

export const ofPeer = <T extends { readonly peer: string }>(rows: readonly T[] | undefined, peer: string) =>
  rows?.find((row) => row.peer === peer);
