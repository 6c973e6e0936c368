/**
 * One request for several callers, and whose failure it is if it fails.
 *
 * @module
 */

import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";

/** What a flight has to know of a caller. */
export interface Passenger {
  /** When its time is over, on the store's clock. */
  readonly deadlineMs: number;
  /** How many bytes its operation takes. */
  readonly bytes: number;
  /** Whether it has its answer or error already. */
  readonly settled: boolean;
}

/** What becomes of the callers of a request that failed. */
export interface Verdict<Call> {
  /** They get the error. */
  readonly failed: readonly Call[];
  /** They leave again, each of these groups together, in this order. */
  readonly again: readonly (readonly Call[])[];
}

/** How long before its deadline a call ends that nobody can be found for: the longest pause between attempts. */
const LAST_PAUSE_MS = 500;
/** Why a request ends that nobody waits for any more. */
const ABANDONED = new Error("All callers have left");

/** Callers on their way together. */
export class Flight<Call extends Passenger> {
  /** In the order of the request. */
  readonly calls: readonly Call[];
  /** A revision that etcd had reached before it left, as etcd writes it. */
  readonly since: string;
  /** How many bytes they take together. */
  readonly bytes: number;
  /** The first deadline among them. */
  readonly firstMs: number;
  /** The last deadline among them. */
  readonly lastMs: number;
  readonly #abandon = new AbortController();
  #open: number;

  /** Callers who leave now. */
  constructor(calls: readonly Call[], since: string) {
    this.calls = calls;
    this.since = since;
    this.#open = calls.length;
    let [sum, firstMs, lastMs] = [0, Infinity, 0];
    for (const { bytes, deadlineMs } of calls) {
      sum += bytes;
      firstMs = Math.min(firstMs, deadlineMs);
      lastMs = Math.max(lastMs, deadlineMs);
    }
    this.bytes = sum;
    this.firstMs = firstMs;
    this.lastMs = lastMs;
  }

  /** Aborts when nobody waits for the answer any more. */
  get signal(): AbortSignal {
    return this.#abandon.signal;
  }

  /** One of them has its answer or error. */
  settled(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#abandon.abort(ABANDONED);
  }

  /**
   * Judges a failure. Who may be asked for again is, but for those whose time
   * is over: in smaller groups if it was too much, and else, as one of them was
   * refused and nobody knows which, one by one.
   */
  judge(
    error: unknown,
    { repeatable, nowMs }: {
      readonly repeatable: boolean;
      readonly nowMs: number;
    },
  ): Verdict<Call> {
    const open = this.calls.filter(({ settled }) => !settled);
    const isNotDone = error instanceof EtcdCallError &&
      (repeatable || error.outcome === "not-done");
    if (!isNotDone) return { failed: open, again: [] };
    if (error.failure === "unavailable") {
      // Nobody could be asked in the time of the first; others have more.
      const overMs = Math.max(this.firstMs, nowMs + LAST_PAUSE_MS);
      return {
        failed: open.filter(({ deadlineMs }) => deadlineMs <= overMs),
        again: groups(
          open.filter(({ deadlineMs }) => deadlineMs > overMs),
          open.length,
        ),
      };
    }
    const half = Math.max(1, Math.floor(this.calls.length / 2));
    return { failed: [], again: groups(open, isTooMuch(error) ? half : 1) };
  }
}

/** Whether etcd takes less at once. */
function isTooMuch({ failure }: EtcdCallError): boolean {
  return failure === "too-many" || failure === "too-large";
}

function groups<Call>(
  calls: readonly Call[],
  size: number,
): readonly (readonly Call[])[] {
  const parts: (readonly Call[])[] = [];
  for (let start = 0; start < calls.length; start += size) {
    parts.push(calls.slice(start, start + size));
  }
  return parts;
}
