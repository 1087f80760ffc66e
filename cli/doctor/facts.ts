import type { RuleForm } from '../../cni/kernel/rules.ts';
import type { Classifier } from '../../shared/rtnetlink/filter.ts';
import type { MacvtapFacts } from './macvtap-facts.ts';

/** Observations of a node. Each `failure` is the text of an error, or null on success. */
export interface Facts {
  /** Version of this command. */
  readonly version: string;
  /** The file /dev/net/tun; null if it does not exist. */
  readonly tun: TunDevice | null;
  /** Failure of wiring two taps in a temporary netns, by classifier. */
  readonly wiring: Readonly<Record<Classifier, string | null>>;
  /** Why the pod's own stack cannot be silenced; null if it can. */
  readonly silence: string | null;
  /** Failures of what only some NADs ask for. */
  readonly passage: {
    /** With guest services. */
    readonly services: string | null;
    /** With a spoof guard, by the form of its rules. */
    readonly guard: Readonly<Record<RuleForm, string | null>>;
  };
  readonly selinux: 'enforcing' | 'permissive' | null;
  /** Existing directories of CNI plugins. */
  readonly directories: readonly PluginDirectory[];
  /** Paths named by --cni-bin-dir that are not directories. */
  readonly missingDirectories: readonly string[];
  readonly agent: AgentFacts;
  /** Null: the node policy file has no `$.macvtap`, or cannot be used. */
  readonly macvtap: MacvtapFacts | null;
  readonly nodeFile: { readonly path: string; readonly isThere: boolean; readonly failure: string | null };
  /**
   * Existing directories of CNI configurations; the one that the container runtime most likely
   * reads comes first.
   */
  readonly confDirectories: readonly ConfDirectory[];
}

export interface TunDevice {
  /** Major and minor number; null if the file is not a character device. */
  readonly device: readonly [number, number] | null;
  /** Failure of opening it for reading and writing, as the plugin does. */
  readonly failure: string | null;
}

export interface PluginDirectory {
  readonly path: string;
  /**
   * Distribution whose container runtime looks here; null for most, and for a directory named by
   * --cni-bin-dir.
   */
  readonly platform: Platform | null;
  /** Null if there is no file `tapwire`. */
  readonly plugin: Plugin | null;
}

/** Distributions that keep their CNI directories elsewhere. */
export type Platform = 'k3s' | 'MicroK8s' | 'OpenShift';

export interface Plugin {
  readonly isExecutable: boolean;
  /** Whether it belongs to root, and only root can write to it. */
  readonly isRootsAlone: boolean;
  /** Version in the plugin's about text; null if the file is not Tapwire. */
  readonly version: string | null;
  /**
   * Whether it equals the plugin shipped with this command; null if the command was shipped without
   * one.
   */
  readonly isOurs: boolean | null;
  /** Whether an installed inventory lists its hash; null without an inventory. */
  readonly isInstalled: boolean | null;
  /** Failure of CNI's VERSION, by agent or fallback. */
  readonly failure: string | null;
  readonly fallback: Fallback;
}

/** What the plugin runs without an agent: the directory .tapwire next to it. */
export interface Fallback {
  readonly isThere: boolean;
  /** Whether the plugin was installed with --no-fallback. */
  readonly isLeftOut: boolean;
  /** Failure of CNI's VERSION without an agent, or the problem of a file. */
  readonly failure: string | null;
  /** Files compared with the inventory that the installer wrote; null without an inventory. */
  readonly comparison: Comparison | null;
}

/**
 * Differences from the inventory: sorted paths in the fallback's directory. "." is the directory
 * itself.
 */
export interface Comparison {
  readonly missing: readonly string[];
  /** Files whose content, permissions or file type differ from the inventory. */
  readonly changed: readonly string[];
  /** Not in the inventory. */
  readonly foreign: readonly string[];
  /** Files and directories that users other than root can write to. */
  readonly writable: readonly string[];
}

export interface AgentFacts {
  readonly socket: string;
  readonly isThere: boolean;
  /** Failure of the hello. */
  readonly failure: string | null;
  readonly health: string;
  /** Response of /readyz; null without a response. */
  readonly ready: { readonly isReady: boolean; readonly text: string } | null;
  /** From /metrics. */
  readonly version: string | null;
  /** Devices that it offers to kubelet, by full name of the resource; from /metrics. */
  readonly offered: ReadonlyMap<string, OfferedDevices>;
}

export interface OfferedDevices {
  readonly healthy: number;
  readonly unhealthy: number;
}

export interface ConfDirectory {
  readonly path: string;
  /** Distribution whose container runtime reads it; null for most. */
  readonly platform: Platform | null;
  /** In the order in which container runtimes read them. */
  readonly confs: readonly CniConf[];
  /** Names of Multus' configurations that Cilium has renamed. */
  readonly renamed: readonly string[];
}

export interface CniConf {
  /** File name. */
  readonly name: string;
  /** Reason why a container runtime cannot use the file; null if it can. */
  readonly problem: string | null;
  /** Multus' part of the file; null if the file does not call Multus. */
  readonly multus: Multus | null;
  readonly hasTapwire: boolean;
}

export interface Multus {
  /**
   * Directory that Multus searches for plugins, in addition to those of the container runtime; null
   * if the file names none.
   */
  readonly binDirectory: string | null;
}
