/**
 * How long the machine itself stood still, so that a bound on the product's
 * time need not be loosened for a noisy machine.
 *
 * @module
 */

/** A measurement in progress. */
export interface StallMeter extends Disposable {
  /** The sum of all delays of a 20 ms timer beyond 20 ms, in milliseconds. */
  readonly totalMs: number;
}

const TICK_MS = 20;

/** Starts to measure. */
export function measureStalls(): StallMeter {
  let totalMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    totalMs += Math.max(0, now - last - 2 * TICK_MS);
    last = now;
  }, TICK_MS);
  return {
    get totalMs() {
      return totalMs;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
