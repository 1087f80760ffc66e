import { normalize, withoutOne } from './almost.ts';

/** Two names of which at least one differs from any other name in more than digits. */
interface Bucket {
  readonly first: Entry;
  other: Entry | null;
}

interface Entry {
  readonly name: string;
  /** Place in the given order. */
  readonly index: number;
}

/**
 * Finds the known name that a misspelt one most likely stands for, in time that does not depend on
 * the number of names.
 */
export class SimilarNames {
  readonly #equal = new Map<string, Bucket>();
  readonly #almost = new Map<string, Bucket>();

  constructor(names: readonly string[]) {
    for (const [index, name] of [...new Set(names)].entries()) {
      if (name.length > MAX_NAME) continue;
      const plain = normalize(name);
      add(this.#equal, plain, { name, index });
      for (const variant of new Set(withoutOne(plain))) add(this.#almost, variant, { name, index });
    }
  }

  /**
   * The first name that equals this one except for case and separators, or else differs in at most
   * one letter. Prefers names that differ in more than digits: those of different things often
   * differ in digits only, "vlan100" and "vlan101".
   */
  nearest(name: string): string | undefined {
    if (name.length > MAX_NAME) return undefined;
    const plain = normalize(name);
    return this.#find(this.#equal, [plain], name) ?? this.#find(this.#almost, withoutOne(plain), name);
  }

  #find(buckets: ReadonlyMap<string, Bucket>, variants: readonly string[], name: string) {
    const digitless = withoutDigits(name);
    const found = variants.flatMap((variant) => {
      const { first = null, other = null } = buckets.get(variant) ?? {};
      return [first, other].filter((entry) => entry !== null);
    });
    const misspelt = found.filter((entry) => withoutDigits(entry.name) !== digitless);
    return (misspelt.length > 0 ? misspelt : found).reduce<Entry | undefined>(
      (best, entry) => (best === undefined || entry.index < best.index ? entry : best),
      undefined,
    )?.name;
  }
}

/** Longest name of a Kubernetes object. A longer one has too many variants. */
const MAX_NAME = 253;

const withoutDigits = (name: string): string => name.replace(/\d/g, '');

function add(buckets: Map<string, Bucket>, key: string, entry: Entry): void {
  const bucket = buckets.get(key);
  if (bucket === undefined) buckets.set(key, { first: entry, other: null });
  else if (withoutDigits(bucket.first.name) !== withoutDigits(entry.name)) bucket.other ??= entry;
}
