/**
 * Time as a value that can be handed in, so that tests need not wait.
 *
 * @module
 */

/** Options of {@linkcode Clock.sleep}. */
export interface SleepOptions {
  /** Ends the wait early; the promise then rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A monotonic clock and the way to wait. */
export interface Clock {
  /**
   * Milliseconds since some fixed moment; never goes back, and steps of the
   * wall clock (NTP, an administrator) do not move it.
   */
  nowMs(): number;
  /** Resolves after `ms` milliseconds, or rejects with the signal's reason. */
  sleep(ms: number, options?: SleepOptions): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  sleep: (ms, { signal } = {}) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
};
