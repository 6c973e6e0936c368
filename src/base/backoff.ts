/**
 * Growing pauses between attempts, with jitter so that nodes do not try at the
 * same moments.
 *
 * @module
 */

/** Options of {@linkcode Backoff}. */
export interface BackoffOptions {
  /** The upper bound of the first pause, in milliseconds. */
  readonly firstMs: number;
  /** The upper bound of every pause, in milliseconds. */
  readonly maxMs: number;
  /** Returns a number in [0, 1); for tests. */
  readonly random?: () => number;
}

/** Pauses whose bound doubles from `firstMs` to `maxMs`; each one is between half its bound and its bound. */
export class Backoff {
  readonly #options: BackoffOptions;
  #attempts = 0;

  /** Starts at the first pause. */
  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** The number of pauses since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Returns the next pause, in milliseconds. */
  nextMs(): number {
    const { firstMs, maxMs, random = Math.random } = this.#options;
    // 2 ** 30 times any first pause is above every maximum; a larger power would
    // only lose precision.
    const bound = Math.min(maxMs, firstMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts += 1;
    return bound / 2 + random() * bound / 2;
  }

  /** Starts again at the first pause. */
  reset(): void {
    this.#attempts = 0;
  }
}
