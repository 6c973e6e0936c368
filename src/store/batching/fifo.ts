/**
 * A first-in, first-out queue that also takes items back at its head.
 *
 * @module
 */

/** Items in the order in which they leave. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  /** How many places at the beginning are empty: taking one item must not move all others. */
  #empty = 0;

  /** The item that leaves next. */
  get first(): T | undefined {
    return this.#items[this.#empty];
  }

  /** The item that leaves last. */
  get last(): T | undefined {
    return this.#empty < this.#items.length ? this.#items.at(-1) : undefined;
  }

  /** Adds an item behind all others. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Adds an item before all others. */
  unshift(item: T): void {
    if (this.#empty > 0) this.#items[--this.#empty] = item;
    else this.#items.unshift(item);
  }

  /** Removes the first item, if there is one. */
  shift(): void {
    if (this.#empty === this.#items.length) return;
    this.#items[this.#empty++] = undefined;
    if (this.#empty * 2 <= this.#items.length) return;
    this.#items.splice(0, this.#empty);
    this.#empty = 0;
  }

  /** The items from the first to the last. */
  *[Symbol.iterator](): Iterator<T> {
    for (let index = this.#empty; index < this.#items.length; index++) {
      yield this.#items[index] as T;
    }
  }
}
