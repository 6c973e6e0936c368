/**
 * Why the agent ends when one of its threads has ended its work.
 *
 * @module
 */

import { ShutdownRequested } from "../../base/errors.ts";
import { ThreadError } from "../../base/worker/thread_error.ts";

/** Options of {@linkcode endedBy}. */
export interface EndedByOptions {
  /** The thread. */
  readonly thread: string;
  /** Aborts when it is to end. */
  readonly signal: AbortSignal;
}

/**
 * Returns the reason to end the agent with. A thread that ends its work unasked
 * must not look like a stop: systemd would not start the agent again.
 */
export function endedBy(
  error: unknown,
  { thread, signal }: EndedByOptions,
): unknown {
  const isUnasked = error === undefined || error instanceof ShutdownRequested;
  return isUnasked && !signal.aborted
    ? new ThreadError("ended its work without being asked to", { thread })
    : error;
}
