/**
 * A limit of the server that is known by its refusals only.
 *
 * @module
 */

/**
 * The most that is sent at once. A refusal halves the distance to what was
 * accepted before, so that the server's own limit is found in a few steps.
 */
export class LearnedLimit {
  /** What was sent and accepted. */
  #accepted = 0;
  /** What was sent and refused. */
  #refused = Infinity;
  #value: number;

  /** A limit of `most` until the server refuses that. */
  constructor(most: number) {
    this.#value = most;
  }

  /** How much may be sent at once, at least 1. */
  get value(): number {
    return this.#value;
  }

  /** Notes that so much was accepted. */
  accept(amount: number): void {
    if (amount <= this.#accepted) return;
    this.#accepted = amount;
    if (this.#refused < Infinity && amount >= this.#value) this.#halve();
  }

  /** Notes that so much was refused, perhaps by another member with a lower limit. */
  refuse(amount: number): void {
    if (amount >= this.#refused) return;
    this.#refused = amount;
    if (this.#accepted >= amount) this.#accepted = 0;
    this.#halve();
  }

  #halve(): void {
    const middle = Math.floor((this.#accepted + this.#refused) / 2);
    this.#value = Math.max(1, middle);
  }
}
