/**
 * Something to look at every now and then, but only while there is a need.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";

/** What a {@linkcode Ticker} does, and when. */
export interface TickerInit {
  /** The clock it goes by. */
  readonly clock: Clock;
  /** How long it waits between two looks, in milliseconds. */
  readonly everyMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Whether there is anything to look at. */
  readonly isNeeded: () => boolean;
  /** The look. */
  readonly tick: () => void;
}

/** Ticks from {@linkcode Ticker.start} on as long as it is needed. */
export class Ticker {
  readonly #init: TickerInit;
  #running = false;

  /** A ticker that has not been started. */
  constructor(init: TickerInit) {
    this.#init = init;
  }

  /** Ticks from now on, if it is needed and does not already. */
  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const { clock, everyMs, signal, isNeeded, tick } = this.#init;
    try {
      while (isNeeded()) {
        await clock.sleep(everyMs, { signal });
        tick();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#running = false;
    }
  }
}
