/**
 * Random choices that a seed repeats.
 *
 * @module
 */

/** Pseudo-random numbers (mulberry32); two of the same seed give the same. */
export class Random {
  #state: number;

  /** Starts the sequence that `seed` names. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Whether something of this probability happens. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A number in [from, to). */
  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** A whole number from `from` to `to`, both included. */
  integer(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** One of the items. @throws {RangeError} if there is none. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("Nothing to pick from");
    return item;
  }

  /** The items in another order. */
  shuffle<T>(items: readonly T[]): T[] {
    return items.map((item) => ({ item, position: this.next() }))
      .sort((one, other) => one.position - other.position)
      .map(({ item }) => item);
  }

  /** A sequence of its own, so that its use does not shift the numbers of this one. */
  fork(): Random {
    return new Random(this.below(2 ** 32));
  }
}
