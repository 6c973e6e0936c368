/**
 * A clock that a test advances.
 *
 * @module
 */

import type { Clock, SleepOptions } from "../../src/base/clock.ts";

/** {@linkcode Clock} for tests: no real time passes. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #suspendedMs = 0;
  readonly #sleepers = new Set<{ atMs: number; wake: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  bootMs(): number {
    return Math.ceil((this.#nowMs + this.#suspendedMs) / 1_000) * 1_000;
  }

  sleep(ms: number, { signal }: SleepOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sleeper = {
        atMs: this.#nowMs + ms,
        wake: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#sleepers.add(sleeper);
    });
  }

  /** Lets time pass, waking each sleeper at its moment and letting it act before the next. */
  async advance(ms: number): Promise<void> {
    await settle();
    const endMs = this.#nowMs + ms;
    while (true) {
      const next = [...this.#sleepers]
        .filter(({ atMs }) => atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#sleepers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
      await settle();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
    await settle();
  }

  /** Lets time pass without firing timers, as in a process that is frozen. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  /** Lets time pass as in a machine that is suspended: only the boot clock goes on. */
  suspend(ms: number): void {
    this.#suspendedMs += ms;
  }
}

/** Lets everything run that can run without time passing. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
