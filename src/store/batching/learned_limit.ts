/**
 * A limit of the server that only its refusals tell.
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

  /** A limit that nobody has refused yet: more than `most` is never wanted. */
  constructor(most: number) {
    this.#value = most;
  }

  /** How much may be sent at once, at least 1. */
  get value(): number {
    return this.#value;
  }

  /** So much was accepted. */
  accept(amount: number): void {
    if (amount <= this.#accepted) return;
    this.#accepted = amount;
    if (this.#refused < Infinity && amount >= this.#value) this.#halve();
  }

  /** So much was refused: it may be another member, with a lower limit. */
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
