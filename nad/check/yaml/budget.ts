import { BindingError } from '../../../shared/errors.ts';

/**
 * Largest cost of all files together. A dump of 5,000 VMs with their VMIs, NADs and the KubeVirt CR
 * has a cost of 19 million.
 */
export const MAX_COST = 20_000_000;

/**
 * Largest cost of one object, because all nodes of an object are in memory at a time: about
 * 1 kB for each of its tokens. A VM has a cost of 1,700.
 */
export const MAX_OBJECT_COST = 300_000;

/** What to create and keep an object costs. */
const OBJECT = 60;
/** Tokens that cost as much as one if an alias repeats them. */
const REPEATED = 16;
/** Characters that cost as much as a token. */
const CHARACTERS = 16;

const REMEDY = 'check one namespace at a time: kubectl get -n NAMESPACE …';

/**
 * Counts what the input costs to parse, and stops when that is too much. The unit is a token of the
 * YAML parser: a word, a mark, an indentation or a line break. Each takes about 1.5 µs.
 */
export class Budget {
  readonly #largest: number;
  readonly #largestObject: number;
  #left: number;
  #leftOfObject = 0;

  constructor(largest = MAX_COST, largestObject = MAX_OBJECT_COST) {
    this.#largest = largest;
    this.#largestObject = largestObject;
    this.#left = largest;
  }

  /** Whether all files together were too large, so that parsing another object makes no sense. */
  get isSpent(): boolean {
    return this.#left < 0;
  }

  /**
   * Begins an object.
   *
   * @param length in UTF-16 units
   * @throws {BindingError} INVALID_CONFIG
   */
  begin(length: number): void {
    this.#leftOfObject = this.#largestObject;
    this.spend(OBJECT + Math.ceil(length / CHARACTERS));
  }

  /**
   * Counts an alias, which repeats a part of what precedes it in the object.
   *
   * @throws {BindingError} INVALID_CONFIG
   */
  repeat(): void {
    this.spend(1 + Math.ceil((this.#largestObject - this.#leftOfObject) / REPEATED));
  }

  /** @throws {BindingError} INVALID_CONFIG with the bound that was reached, and what to do */
  spend(cost: number): void {
    this.#left -= cost;
    this.#leftOfObject -= cost;
    if (this.#left < 0) throw tooLarge('the files have', this.#largest);
    if (this.#leftOfObject < 0) throw tooLarge('an object has', this.#largestObject);
  }
}

function tooLarge(subject: string, bound: number): BindingError {
  const reason = `${subject} more than ${bound} words, marks and line breaks (16 letters of a text count as one)`;
  return new BindingError('INVALID_CONFIG', `${reason}; ${REMEDY}`);
}
