/**
 * A simulated process of an agent: its clocks, and whether it runs at all.
 *
 * @module
 */

import type { Clock, SleepOptions } from "../../src/base/clock.ts";
import type { Happening, Timeline } from "./timeline.ts";

/** How wrong a clock may go: far more than quartz does. */
const DRIFT = 0.02;

/** One process, from its start to its death. */
export class Process {
  /** As the trace calls it. */
  readonly name: string;
  /** What its code sees of time. */
  readonly clock: Clock;
  readonly #timeline: Timeline;
  readonly #rate: number;
  readonly #bootedMs: number;
  #lostMs = 0;
  #standsUntilMs = 0;
  #alive = true;

  /** A process that runs. */
  constructor(name: string, timeline: Timeline) {
    const { random } = timeline;
    this.name = name;
    this.#timeline = timeline;
    this.#rate = random.between(1 - DRIFT, 1 + DRIFT);
    this.#bootedMs = random.between(0, 1e6);
    this.clock = {
      nowMs: () => this.#nowMs(),
      // As the kernel says it: in seconds, rounded up.
      bootMs: () =>
        Math.ceil(
          (this.#bootedMs + timeline.nowMs * this.#rate) / 1_000,
        ) * 1_000,
      sleep: (ms, options) => this.#sleep(ms, options),
    };
  }

  /** Whether it has not been killed. */
  get alive(): boolean {
    return this.#alive;
  }

  /** Whether its code can run now. */
  get running(): boolean {
    return this.#alive && this.#timeline.nowMs >= this.#standsUntilMs;
  }

  /** Runs `act` as soon as the process runs; never once it is dead. */
  run(act: () => void): void {
    if (!this.#alive) return;
    if (this.running) return act();
    // What waited for the process comes in any order when it goes on.
    const { nowMs, random } = this.#timeline;
    const waitMs = this.#standsUntilMs - nowMs + random.between(0, 5);
    this.#timeline.after(waitMs, () => this.run(act));
  }

  /** Stops it as SIGSTOP does: its clocks go on. */
  pause(ms: number): void {
    const untilMs = this.#timeline.nowMs + ms;
    this.#standsUntilMs = Math.max(this.#standsUntilMs, untilMs);
  }

  /** Suspends its machine, if it runs: its monotonic clock stands still. */
  suspend(ms: number): void {
    if (!this.running) return;
    this.#lostMs += ms;
    this.pause(ms);
  }

  /** Ends it without a word. */
  kill(): void {
    this.#alive = false;
  }

  #nowMs(): number {
    return (this.#timeline.nowMs - this.#lostMs) * this.#rate;
  }

  #sleep(ms: number, { signal }: SleepOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const untilMs = this.#nowMs() + ms;
      let timer: Happening;
      const onAbort = () => {
        timer.cancelled = true;
        reject(signal?.reason);
      };
      const arm = () => {
        const restMs = Math.max(0, untilMs - this.#nowMs()) / this.#rate;
        timer = this.#timeline.after(restMs + this.#lateMs(), onTime);
      };
      const onTime = () =>
        this.run(() => {
          if (signal?.aborted) return;
          if (this.#nowMs() < untilMs - 1) return arm();
          signal?.removeEventListener("abort", onAbort);
          resolve();
        });
      signal?.addEventListener("abort", onAbort, { once: true });
      arm();
    });
  }

  /** Timers are late by a little, and now and then by a lot. */
  #lateMs(): number {
    const { random } = this.#timeline;
    return random.chance(0.02) ? random.between(0, 300) : random.next();
  }
}
