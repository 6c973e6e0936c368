/**
 * One caller's operation on its way, and what is done alike or differently for
 * reads and for writes.
 *
 * @module
 */

import type { IRequestOp, IResponseHeader } from "etcd3/lib/rpc.js";
import type { Queued } from "./batch_queue.ts";
import type { StoreOptions } from "./state_store.ts";

/** What a caller wants done. */
export interface SharedOperation extends Queued {
  /** The operation as a part of a transaction. */
  readonly request: IRequestOp;
}

/** How operations of one kind are asked for, and what their answers mean. */
export interface SharedKind<Op extends SharedOperation, Answer, Result> {
  /** They may be asked for again: a lost answer leaves nothing open. */
  readonly repeatable: boolean;
  /** Asks for one alone. */
  alone(op: Op, options: StoreOptions): Promise<Result>;
  /** What the part of a transaction's answer for one means. */
  result(answer: Answer, header: IResponseHeader): Result;
  /** The error that a caller gets. */
  error(error: unknown, op: Op): unknown;
  /** Sees what went well. */
  done?(ops: readonly Op[], results: readonly Result[]): void;
  /** Sees that etcd's database is full. */
  full?(): void;
}

/** One caller. */
export interface Call<Op extends SharedOperation, Result> extends Queued {
  /** What it wants. */
  readonly op: Op;
  /** When its time is over, on the store's clock. */
  readonly deadlineMs: number;
  /** Ends the call. */
  readonly signal: AbortSignal | undefined;
  /** What listens to the signal. */
  readonly onAbort: (() => void) | undefined;
  /** Gives the caller its answer. */
  readonly resolve: (result: Result) => void;
  /** Gives the caller its error. */
  readonly reject: (error: unknown) => void;
  /** The request that it is in, if it has left with others. */
  flight: Flight<Op, Result> | undefined;
  /** Whether the caller has either. */
  settled: boolean;
  /** Why it was not done when it was tried. */
  lastError: unknown;
}

/** One request for several callers. */
export interface Flight<Op extends SharedOperation, Result> {
  /** In the order of the request. */
  readonly calls: readonly Call<Op, Result>[];
  /** How many of them still wait. */
  open: number;
  /** Ends the request. */
  readonly abandon: AbortController;
}
