/**
 * The clock as a value that is passed in, so that tests need not wait.
 *
 * @module
 */

/** Options of {@linkcode Clock.sleep}. */
export interface SleepOptions {
  /** Ends the wait early; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A monotonic clock that can also wait. */
export interface Clock {
  /**
   * Returns the milliseconds since a fixed moment. It never goes back, and does
   * not change when NTP or an administrator sets the wall clock.
   */
  nowMs(): number;
  /**
   * Returns the milliseconds since a fixed moment, to the second. Unlike
   * {@linkcode nowMs} it also counts the time that the machine was suspended.
   * `undefined` if that is unknown.
   */
  bootMs?(): number | undefined;
  /** Resolves after `ms` milliseconds, at once if that is below zero, or rejects with the signal's reason. */
  sleep(ms: number, options?: SleepOptions): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  bootMs: uptimeMs,
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
        // For a time below zero the runtime would print a warning.
      }, Math.max(0, ms));
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
};

/**
 * The machine's uptime. On Linux that is CLOCK_BOOTTIME; on macOS it is the time
 * since the kernel's boot time, which the kernel adjusts when the wall clock is
 * set. Both count suspended time, and setting the wall clock changes neither.
 */
function uptimeMs(): number | undefined {
  try {
    return Deno.osUptime() * 1_000;
  } catch (error) {
    // The permission `sys=osUptime` was not granted.
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
