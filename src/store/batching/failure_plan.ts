/**
 * What becomes of the waiters of a request that failed.
 *
 * @module
 */

import type { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import type { SharedRequest, Waiter } from "./shared_request.ts";

/** The waiters of a failed request that are not settled, each in one of the two. */
export interface FailurePlan<Result> {
  /** They get the error. */
  readonly reject: readonly Waiter<Result>[];
  /** They leave again, each of these groups together, in this order. */
  readonly retry: readonly (readonly Waiter<Result>[])[];
}

/** How long before its deadline a waiter is given up for which no member was found: the longest pause between attempts. */
const LAST_PAUSE_MS = 500;

/**
 * Plans for operations that may be sent again: reads, and what certainly was
 * not done. What was sent alone has had its tries.
 *
 * If it was too much, they leave in halves. If etcd refused them for another
 * reason, it is unknown for which of them, and they leave one by one.
 */
export function planRetry<Result>(
  { firstMs, sent, unsettled }: SharedRequest<Result>,
  { failure }: EtcdCallError,
  { nowMs }: { readonly nowMs: number },
): FailurePlan<Result> {
  if (sent.length === 1 || failure === "another-cluster") {
    return { reject: unsettled, retry: [] };
  }
  if (failure === "unavailable") {
    // No member was found in the time of the first waiter; others have more.
    const overMs = Math.max(firstMs, nowMs + LAST_PAUSE_MS);
    return {
      reject: unsettled.filter(({ deadlineMs }) => deadlineMs <= overMs),
      retry: [unsettled.filter(({ deadlineMs }) => deadlineMs > overMs)],
    };
  }
  const isTooMuch = failure === "too-many" || failure === "too-large" ||
    failure === "large-answer";
  const size = isTooMuch ? Math.floor(sent.length / 2) : 1;
  const count = Math.ceil(unsettled.length / size);
  return {
    reject: [],
    retry: Array.from(
      { length: count },
      (_, n) => unsettled.slice(n * size, (n + 1) * size),
    ),
  };
}
