/** Number of addresses that a guest asks from in this time in ms. */
const MAX_ADDRESSES = 8;
const MEMORY = 60_000;

/**
 * The addresses that were answered lately. The kernel keeps each as a neighbour, in a table that
 * all pods of the node share, so that a guest must not fill it.
 */
export class RecentAddresses {
  /** Last time in ms. */
  readonly #times = new Map<string, number>();

  /** Returns whether an address may be answered now. */
  admit(address: string): boolean {
    const now = performance.now();
    if (!this.#times.has(address) && this.#times.size >= MAX_ADDRESSES) {
      for (const [old, time] of this.#times) if (now >= time + MEMORY) this.#times.delete(old);
      if (this.#times.size >= MAX_ADDRESSES) return false;
    }
    this.#times.set(address, now);
    return true;
  }
}
