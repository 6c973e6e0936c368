/**
 * The deadlines of the unanswered calls of one connection, also enforced here.
 *
 * gRPC ends a call with a timer of its own, on the wall clock. In a fault-injection
 * run one of 430,000 such timers, for 1 s, fired after 17.8 s; the cause is
 * unknown. A caller that was promised an answer in time must get one.
 *
 * @module
 */

import { type Clock, systemClock } from "../../base/clock.ts";

/** A call with a deadline. */
export interface CallWithDeadline {
  /** Its deadline, by {@linkcode Clock.nowMs}. */
  readonly endMs: number;
  /** Ends the call with the error of a missed deadline. */
  readonly expire: () => void;
  /** Cancels the call. */
  readonly cancel: () => void;
}

/** How often deadlines are checked while there are calls; a call may end later by as much. */
const CHECK_INTERVAL_MS = 500;

/** Ends the calls whose deadline has passed. Disposing cancels all calls. */
export class CallDeadlines implements Disposable {
  readonly #calls = new Set<CallWithDeadline>();
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  #checking = false;

  /** Begins without calls. */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Enforces the deadline of a call from now on. */
  add(call: CallWithDeadline): void {
    this.#calls.add(call);
    if (!this.#checking) void this.#check();
  }

  /** Forgets a call, because it was answered. */
  delete(call: CallWithDeadline): void {
    this.#calls.delete(call);
  }

  /** Cancels all calls. */
  [Symbol.dispose](): void {
    this.#closed.abort(new Error("The connection is closed"));
    for (const call of this.#calls) call.cancel();
  }

  /** Checks until no call is left. One timer for all calls, as most are answered long before. */
  async #check(): Promise<void> {
    const { signal } = this.#closed;
    this.#checking = true;
    while (this.#calls.size > 0 && !signal.aborted) {
      await this.#clock.sleep(CHECK_INTERVAL_MS, { signal }).catch(() => {});
      // Half an interval later than the deadline, so that gRPC's timer acts first.
      const lateMs = this.#clock.nowMs() - CHECK_INTERVAL_MS / 2;
      for (const call of this.#calls) {
        if (call.endMs > lateMs || signal.aborted) continue;
        this.#calls.delete(call);
        call.expire();
      }
    }
    this.#checking = false;
  }
}
