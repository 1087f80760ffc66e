import type { NadSeen } from './nad-config.ts';
import { fullName } from './resource.ts';
import { SimilarNames } from './similar-names.ts';

/** Index of NADs by name, so that checking a cluster with many NADs takes linear time. */
export class NadIndex {
  readonly #byName: ReadonlyMap<string, readonly NadSeen[]>;
  readonly #byNamespace: ReadonlyMap<string, readonly NadSeen[]>;
  readonly #byFullName: ReadonlyMap<string, NadSeen>;
  readonly #primary: ReadonlyMap<string, NadSeen>;
  /** Names by namespace; built when they are needed. */
  readonly #similar = new Map<string, SimilarNames>();

  constructor(nads: readonly NadSeen[]) {
    this.#byName = Map.groupBy(nads, ({ name }) => name);
    this.#byNamespace = Map.groupBy(nads, ({ namespace }) => namespace);
    this.#byFullName = firstBy(nads, fullName);
    const primary = nads.filter(({ plugins }) => plugins.some(({ conf }) => conf['role'] === 'primary'));
    this.#primary = firstBy(primary, ({ namespace }) => namespace);
  }

  get isEmpty(): boolean {
    return this.#byName.size === 0;
  }

  /** The first NAD of that name. Another check reports duplicates. */
  find(namespace: string, name: string): NadSeen | undefined {
    return this.#byFullName.get(`${namespace}/${name}`);
  }

  /** NADs of that name in any namespace. */
  named(name: string): readonly NadSeen[] {
    return this.#byName.get(name) ?? [];
  }

  /**
   * The NAD of the network that is primary in this namespace, in place of the cluster's.
   *
   * Source: ovn-kubernetes, user-defined networks
   */
  primaryIn(namespace: string): NadSeen | undefined {
    return this.#primary.get(namespace);
  }

  /** The NAD in a namespace that a misspelt name most likely stands for. */
  nearest(namespace: string, name: string): string | undefined {
    const nads = this.#byNamespace.get(namespace) ?? [];
    const similar = this.#similar.get(namespace) ?? new SimilarNames(nads.map((nad) => nad.name));
    this.#similar.set(namespace, similar);
    return similar.nearest(name);
  }
}

/** The first element of each name, in the given order. */
export function firstBy<T>(all: readonly T[], nameOf: (one: T) => string): ReadonlyMap<string, T> {
  const firsts = new Map<string, T>();
  for (const one of all) {
    const name = nameOf(one);
    if (!firsts.has(name)) firsts.set(name, one);
  }
  return firsts;
}
