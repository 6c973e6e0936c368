/**
 * The true time of one simulated world, and what is going to happen in it.
 *
 * @module
 */

import { Random } from "./random.ts";

/** Something that will happen unless it is cancelled. */
export interface Happening {
  /** When, in milliseconds of true time. */
  readonly atMs: number;
  /** What. */
  readonly act: () => void;
  /** Set: it does not happen. */
  cancelled: boolean;
}

/** A promise of the shipped code was broken. */
export class Violation extends Error {
}

/** Events in the order of true time. */
export class Timeline {
  /** Decides whatever is left to chance. */
  readonly random: Random;
  /** What happened, if it is wanted. */
  readonly trace: string[] | undefined;
  /** The true time, in milliseconds. */
  nowMs = 0;
  /** How many events have happened. */
  steps = 0;
  /** The first broken promise. */
  violation: Violation | undefined;
  readonly #coming: Happening[] = [];

  /** An empty timeline at time 0. */
  constructor(seed: number, { traced = false } = {}) {
    // Seeds that lie side by side are to give unrelated worlds.
    this.random = new Random(Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1));
    this.trace = traced ? [] : undefined;
  }

  /** Lets `act` happen `ms` milliseconds from now. */
  after(ms: number, act: () => void): Happening {
    const happening = { atMs: this.nowMs + ms, act, cancelled: false };
    this.#coming.push(happening);
    return happening;
  }

  /** Lets the next event happen; false if there is none before `untilMs`. */
  step(untilMs: number): boolean {
    while (true) {
      let next = -1;
      let atMs = untilMs;
      for (let index = 0; index < this.#coming.length; index++) {
        const coming = this.#coming[index] as Happening;
        if (coming.atMs < atMs) [next, atMs] = [index, coming.atMs];
      }
      if (next < 0) {
        this.nowMs = untilMs;
        return false;
      }
      const happening = this.#coming[next] as Happening;
      this.#coming[next] = this.#coming.at(-1) as Happening;
      this.#coming.pop();
      if (happening.cancelled) continue;
      this.nowMs = happening.atMs;
      this.steps += 1;
      happening.act();
      return true;
    }
  }

  /** Writes a line of the trace, if there is one. */
  note(text: () => string): void {
    this.trace?.push(`${this.nowMs.toFixed(1).padStart(9)} ms  ${text()}`);
  }

  /** Says that a promise was broken. */
  violate(text: string): void {
    this.note(() => `VIOLATION: ${text}`);
    this.violation ??= new Violation(text);
  }
}
