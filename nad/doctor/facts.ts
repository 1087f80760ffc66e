import type { Classifier } from '../../shared/rtnetlink/filter.ts';

/** What was found on a node. A failure is the text of an error, null where there is none. */
export interface Facts {
  /** Of this command. */
  readonly version: string;
  /** The device /dev/net/tun; null where it is missing. */
  readonly tun: { readonly isDevice: boolean; readonly mode: number } | null;
  /** What became of wiring two taps in a netns of our own, by each classifier. */
  readonly wiring: Readonly<Record<Classifier, string | null>>;
  readonly selinux: 'enforcing' | 'permissive' | null;
  /** Folders of CNI plugins that are there. */
  readonly folders: readonly PluginFolder[];
  readonly agent: AgentFacts;
  readonly nodeFile: { readonly path: string; readonly isThere: boolean; readonly failure: string | null };
  /** Of /etc/cni/net.d, in the order in which runtimes look. */
  readonly confs: readonly CniConf[];
}

export interface PluginFolder {
  readonly path: string;
  /** Null where there is no file `tapwire`. */
  readonly plugin: Plugin | null;
}

export interface Plugin {
  readonly isExecutable: boolean;
  /** Whether it belongs to root, and nobody else may write to it. */
  readonly isRootsAlone: boolean;
  /** As it says itself; null where it does not speak as Tapwire does. */
  readonly version: string | null;
  /** Whether it is the very file that this command came with; null where that did not come with one. */
  readonly isOurs: boolean | null;
  /** Of CNI's VERSION, by whichever way it is answered. */
  readonly failure: string | null;
  readonly runtime: Runtime;
}

/** What the plugin falls back to, in the folder .tapwire beside it. */
export interface Runtime {
  readonly isThere: boolean;
  /** Whether whoever installed the plugin wanted none (--no-fallback). */
  readonly isLeftOut: boolean;
  /** Of CNI's VERSION without an agent, or what is wrong with a file. */
  readonly failure: string | null;
}

export interface AgentFacts {
  readonly socket: string;
  readonly isThere: boolean;
  /** Of its hello. */
  readonly failure: string | null;
  readonly health: string;
  /** What it says of itself at /readyz; null where nobody answers. */
  readonly ready: { readonly isReady: boolean; readonly text: string } | null;
  /** From /metrics. */
  readonly version: string | null;
}

export interface CniConf {
  readonly file: string;
  /** Null where it cannot be parsed. */
  readonly isMultus: boolean | null;
  readonly hasTapwire: boolean;
}
