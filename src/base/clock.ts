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
  /**
   * Milliseconds since some fixed moment, in which the time that the machine
   * was suspended counts, as it does not in {@linkcode nowMs}. Known to the
   * second only. `undefined` where nobody can say.
   */
  bootMs?(): number | undefined;
  /** Resolves after `ms` milliseconds, at once if that is over, or rejects with the signal's reason. */
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
        // What is over by now would make the runtime print a warning.
      }, Math.max(0, ms));
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
};

/**
 * The machine's uptime. On Linux that is CLOCK_BOOTTIME, on macOS the time
 * since the kernel's boot time, which moves with steps of the wall clock: both
 * run on in suspend, and no step of the wall clock changes them.
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
