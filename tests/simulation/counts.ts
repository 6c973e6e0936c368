/**
 * How often what happened, so that one sees that a simulation was not empty.
 *
 * @module
 */

/** Sums by name. */
export class Counts {
  readonly #sums = new Map<string, number>();

  /** Adds to a sum. */
  add(name: string, count = 1): void {
    this.#sums.set(name, this.get(name) + count);
  }

  /** A sum. */
  get(name: string): number {
    return this.#sums.get(name) ?? 0;
  }

  /** All of them, by name. */
  entries(): [string, number][] {
    return [...this.#sums].sort(([a], [b]) => a < b ? -1 : 1);
  }
}
