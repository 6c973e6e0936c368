/**
 * The calls of one connection that were not answered yet, each with a deadline
 * that is looked after here, too.
 *
 * gRPC ends a call with a timer of its own, on the wall clock. In a storm one of
 * 430,000 such timers, for 1 s, came after 17.8 s; why is not known. Who was
 * promised an answer in time gets one all the same.
 *
 * @module
 */

import { type Clock, systemClock } from "../../base/clock.ts";

/** A call as it can be ended from here. */
export interface CallWithDeadline {
  /** By {@linkcode Clock.nowMs}, when it must have been answered. */
  readonly endMs: number;
  /** Ends it: nobody else does. */
  readonly expire: () => void;
  /** Calls it off. */
  readonly cancel: () => void;
}

/** How often calls are looked at while there are any; so much later than gRPC they may end. */
const LOOK_MS = 500;

/** Calls, and who looks at them now and then. Disposing calls all off. */
export class CallDeadlines implements Disposable {
  readonly #calls = new Set<CallWithDeadline>();
  readonly #clock: Clock;
  readonly #over = new AbortController();
  #looking = false;

  /** None yet. */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Looks after a call from now on. */
  add(call: CallWithDeadline): void {
    this.#calls.add(call);
    if (!this.#looking) void this.#look();
  }

  /** The call was answered. */
  delete(call: CallWithDeadline): void {
    this.#calls.delete(call);
  }

  /** Calls all off. */
  [Symbol.dispose](): void {
    this.#over.abort(new Error("The connection is closed"));
    for (const call of this.#calls) call.cancel();
  }

  /** Until none is left; one timer for all, for most are answered long before. */
  async #look(): Promise<void> {
    const { signal } = this.#over;
    this.#looking = true;
    while (this.#calls.size > 0 && !signal.aborted) {
      await this.#clock.sleep(LOOK_MS, { signal }).catch(() => {});
      // gRPC, whose timer may be due just now, comes first.
      const lateMs = this.#clock.nowMs() - LOOK_MS / 2;
      for (const call of this.#calls) {
        if (call.endMs > lateMs || signal.aborted) continue;
        this.#calls.delete(call);
        call.expire();
      }
    }
    this.#looking = false;
  }
}
