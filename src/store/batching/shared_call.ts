/**
 * One caller's operation on its way, and what is done alike or differently for
 * reads and for writes.
 *
 * @module
 */

import type { IRequestOp, IResponseHeader } from "etcd3/lib/rpc.js";
import type { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import type { Flight } from "./flight.ts";
import type { Batch, Queued } from "./lane.ts";
import type { StoreOptions } from "../state_store.ts";

/** What a caller wants done. */
export interface SharedOperation extends Queued {
  /** The operation as a part of a transaction. */
  readonly request: IRequestOp;
}

/** Why nobody knows whether an operation was done. */
export interface Doubt {
  /** How its request failed. */
  readonly error: EtcdCallError;
  /** A revision that etcd had reached before the request left; 0 if none is known. */
  readonly since: bigint;
}

/** How operations of one kind are asked for, and what their answers mean. */
export interface SharedKind<Op extends SharedOperation, Answer, Result> {
  /** They may be asked for again: a lost answer leaves nothing open. */
  readonly repeatable: boolean;
  /** Whether an operation that leaves now may do so with others like it. */
  mayShare(op: Op): boolean;
  /** Asks for one alone. */
  alone(op: Op, options: StoreOptions): Promise<Result>;
  /** What the part of a transaction's answer for one means. */
  result(answer: Answer, header: IResponseHeader): Result;
  /** The error that a caller gets. */
  error(error: unknown, op: Op): unknown;
  /** Sees what went well. */
  done(ops: readonly Op[], results: readonly Result[]): void;
  /** Sees what failed, before it is known whose failure it is. */
  failed(error: EtcdCallError, ops: readonly Op[]): void;
  /** The last revision known, as etcd writes it. */
  revision(): string;
  /** How to find out what became of one of several, and to do it if it was not done; `undefined` if there is no way. */
  findOut(
    op: Op,
    doubt: Doubt,
  ): ((options: StoreOptions) => Promise<Result>) | undefined;
}

/** What {@linkcode SharedCall} is made from. */
export interface SharedCallInit {
  /** When its time is over, on the store's clock. */
  readonly deadlineMs: number;
  /** Ends the call. */
  readonly signal: AbortSignal | undefined;
  /** Is called when it is settled. */
  readonly onStored: (() => void) | undefined;
}

/** One caller, who gets one answer or one error. */
export class SharedCall<Op extends SharedOperation, Result> implements Queued {
  readonly key: string;
  readonly type: Op["type"];
  readonly bytes: number;
  readonly holds: number;
  readonly alone: boolean;
  waitsIn: Batch<Queued> | undefined = undefined;
  /** What it wants. */
  readonly op: Op;
  /** When its time is over, on the store's clock. */
  readonly deadlineMs: number;
  /** Ends the call. */
  readonly signal: AbortSignal | undefined;
  /** What the caller waits for. */
  readonly promise: Promise<Result>;
  /** The request that it is in, if it has left with others. */
  flight: Flight<SharedCall<Op, Result>> | undefined = undefined;
  /** Why it was not done when it was tried. */
  lastError: unknown = undefined;
  readonly #resolve: (result: Result) => void;
  readonly #reject: (error: unknown) => void;
  readonly #onStored: (() => void) | undefined;
  #settled = false;

  /** A call that has not left yet. */
  constructor(op: Op, { deadlineMs, signal, onStored }: SharedCallInit) {
    this.key = op.key;
    this.type = op.type;
    this.bytes = op.bytes;
    this.holds = op.holds;
    this.alone = op.alone;
    this.op = op;
    this.deadlineMs = deadlineMs;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.signal = signal;
    this.#onStored = onStored;
  }

  /** Whether the caller has its answer or error. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Gives the caller its answer, unless it has ended before. */
  resolve(result: Result): void {
    if (this.#settle()) this.#resolve(result);
  }

  /** Gives the caller its error, unless it has ended before. */
  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#onStored?.();
    this.flight?.settled();
    return true;
  }
}
