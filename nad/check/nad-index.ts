import type { NadSeen } from './nad-config.ts';
import { fullName } from './resource.ts';

/** Index of NADs by name, so that checking a cluster with many NADs takes linear time. */
export class NadIndex {
  readonly #byName: ReadonlyMap<string, readonly NadSeen[]>;
  readonly #byNamespace: ReadonlyMap<string, readonly NadSeen[]>;
  readonly #byFullName: ReadonlyMap<string, NadSeen>;

  constructor(nads: readonly NadSeen[]) {
    this.#byName = Map.groupBy(nads, ({ name }) => name);
    this.#byNamespace = Map.groupBy(nads, ({ namespace }) => namespace);
    this.#byFullName = firstBy(nads, fullName);
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

  /** Names of the NADs in a namespace. */
  namesIn(namespace: string): readonly string[] {
    return (this.#byNamespace.get(namespace) ?? []).map(({ name }) => name);
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
