/**
 * Growing pauses between attempts, jittered so that nodes do not march in step.
 *
 * @module
 */

/** Options of {@linkcode Backoff}. */
export interface BackoffOptions {
  /** The first pause's upper bound, in milliseconds. */
  readonly firstMs: number;
  /** What no pause exceeds, in milliseconds. */
  readonly maxMs: number;
  /** A number in [0, 1); handed in by tests. */
  readonly random?: () => number;
}

/** Doubles from `firstMs` to `maxMs`; each pause lies in the upper half of its bound. */
export class Backoff {
  readonly #options: BackoffOptions;
  #attempts = 0;

  /** Starts at the first pause. */
  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** How many pauses were taken since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The next pause, in milliseconds. */
  nextMs(): number {
    const { firstMs, maxMs, random = Math.random } = this.#options;
    // 2 ** 30 × any first pause is past every maximum; more would only lose precision.
    const bound = Math.min(maxMs, firstMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts += 1;
    return bound / 2 + random() * bound / 2;
  }

  /** Starts again at the first pause. */
  reset(): void {
    this.#attempts = 0;
  }
}
