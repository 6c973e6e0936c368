/**
 * Notices a thread of the agent that no longer does anything. systemd's
 * watchdog does so too, but not every agent runs under systemd, and a thread
 * that has ended itself tells nothing.
 *
 * @module
 */

import { Deadline } from "../../base/abortable.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { ThreadError } from "../../base/worker/thread_error.ts";
import type { WatchedPart } from "../node_state.ts";

/** A part that can be watched once it has loaded. */
export interface LoadingPart extends WatchedPart {
  /** Resolves once it is loaded. */
  readonly ready: Promise<void>;
}

/** The pause between two questions, and the time for an answer, in milliseconds. */
const PAUSE_MS = 10_000;
/**
 * So many answers must be missing: after the whole process stood still, as in a
 * suspended machine, the first one comes too late without anything being wrong.
 */
const MISSING_ANSWERS = 3;

/** Watches parts until it is disposed of. */
export class PartsWatch implements Disposable {
  readonly #clock: Clock;
  readonly #silent = new AbortController();
  readonly #ended = new AbortController();

  /** Watches nothing yet. */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Aborts, with the reason, when a part has stood still for about a minute. */
  get signal(): AbortSignal {
    return this.#silent.signal;
  }

  /** Watches a part from when it is loaded. */
  add(part: LoadingPart): void {
    // That it cannot be loaded, or is ended, others tell.
    this.#watch(part).catch(() => {});
  }

  /** Ends the watching. */
  [Symbol.dispose](): void {
    this.#ended.abort(new Error("The parts are no longer watched"));
  }

  async #watch(part: LoadingPart): Promise<void> {
    await part.ready;
    const { signal } = this.#ended;
    let missing = 0;
    while (missing < MISSING_ANSWERS) {
      await this.#clock.sleep(PAUSE_MS, { signal });
      using deadline = new Deadline(
        PAUSE_MS,
        () => new Error("No answer"),
        [signal],
        this.#clock,
      );
      missing = await part.responds(deadline) ? 0 : missing + 1;
      signal.throwIfAborted();
    }
    this.#silent.abort(
      new ThreadError("stands still", { thread: part.name }),
    );
  }
}
