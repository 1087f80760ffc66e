import type { Lower } from '../../cni/kernel/lower-device.ts';
import type { MacvtapLowers } from '../../cni/policy/macvtap-policy.ts';

/** Observations of a node whose node policy file has `$.macvtap`. */
export interface MacvtapFacts {
  readonly policy: MacvtapLowers;
  /** Why the kernel cannot create macvtaps; null if it can. */
  readonly kernel: string | null;
  /** Type of the file system at /dev; null if it cannot be found out. */
  readonly deviceFileSystem: string | null;
  /** Lower devices by ifname; null for those that the node does not have. */
  readonly lowers: ReadonlyMap<string, Lower | null>;
  /** Null if the node policy file has no resources, which need no kubelet. */
  readonly kubelet: KubeletFacts | null;
  /** Programs that do not accept the node policy file. */
  readonly rejections: readonly Rejection[];
}

export interface KubeletFacts {
  /** Sockets of kubelet that do not exist. */
  readonly missing: readonly string[];
  /**
   * Number of healthy devices that plugins have registered, by full name of their resource; null if
   * kubelet does not tell.
   */
  readonly registered: ReadonlyMap<string, number> | null;
}

export interface Rejection {
  /** `the agent`, or the path of a fallback. */
  readonly who: string;
  /** Its error message. */
  readonly reason: string;
}
