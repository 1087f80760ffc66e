import type { MacvtapResource } from '../../cni/policy/macvtap-policy.ts';

/** How the offered resources must change. */
export interface Diff {
  /** Names of resources that are no longer offered. */
  readonly removed: readonly string[];
  readonly added: readonly MacvtapResource[];
  /**
   * Resources that stay. Their capacity and lower device may have changed, which changes neither
   * their ids nor their registration.
   */
  readonly kept: readonly MacvtapResource[];
}

/** Compares the offered resources with those of the node policy file. */
export function diffOf(offered: Iterable<string>, wanted: readonly MacvtapResource[]): Diff {
  const before = new Set(offered);
  const names = new Set(wanted.map(({ name }) => name));
  return {
    removed: [...before].filter((name) => !names.has(name)),
    added: wanted.filter(({ name }) => !before.has(name)),
    kept: wanted.filter(({ name }) => before.has(name)),
  };
}
