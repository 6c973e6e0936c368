/**
 * One request for the operations of several callers, and the callers that wait
 * for it.
 *
 * @module
 */

import type { IRequestOp } from "etcd3/lib/rpc.js";
import type { Op } from "../state_store.ts";

/** An operation of this many bytes leaves alone. */
export const LARGE_BYTES = 64 * 1024;
/** Why a request ends that has no waiter any more. */
const ABANDONED = new Error("All callers have left");

/** What a caller wants done. */
export interface SharedOperation {
  /** Operations of different types do not leave together. */
  readonly type: Op["type"];
  /** The key. */
  readonly key: string;
  /** How many bytes it takes, in whichever direction it takes more. */
  readonly bytes: number;
  /** How many bytes it holds while it waits. */
  readonly holds: number;
  /** The operation as a part of a transaction. */
  readonly request: IRequestOp;
}

/** One caller with its operation; it gets one answer or one error. */
export class Waiter<Result> {
  /** What it wants. */
  readonly op: SharedOperation;
  /** When its time is over, on the store's clock. */
  readonly deadlineMs: number;
  /** Ends the wait. */
  readonly signal: AbortSignal | undefined;
  /** The request that it is in. */
  request: SharedRequest<Result> | undefined = undefined;
  /** Why the operation was not done when it was tried. */
  lastError: unknown = undefined;
  /** What the caller waits for. */
  readonly promise: Promise<Result>;
  readonly #resolve: (result: Result) => void;
  readonly #reject: (error: unknown) => void;
  #settled = false;

  /** A waiter that is in no request yet. */
  constructor(
    op: SharedOperation,
    { deadlineMs, signal }: {
      readonly deadlineMs: number;
      readonly signal?: AbortSignal | undefined;
    },
  ) {
    this.op = op;
    this.deadlineMs = deadlineMs;
    this.signal = signal;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Whether the caller has its answer or error. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Gives the caller its answer, unless it is settled. */
  resolve(result: Result): void {
    if (this.#settle()) this.#resolve(result);
  }

  /** Gives the caller its error, unless it is settled. */
  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.request?.onSettled();
    return true;
  }
}

/**
 * ```
 *   open ──full, or an operation cannot join──▶ closed ──┐
 *    │                                                   │ may leave
 *    └──may leave────────────────────────────────────────┴──▶ left ──▶ sent
 * ```
 */
export class SharedRequest<Result> {
  /** In the order in which they came. */
  readonly waiters: Waiter<Result>[] = [];
  /** Its place among all requests that wait; 0 is before all others. */
  readonly turn: number;
  /** The keys that it writes, or was to write. */
  readonly written = new Set<string>();
  /** How many bytes its operations take together. */
  bytes = 0;
  /** Where it is on its way. */
  state: "open" | "closed" | "left" | "sent" = "open";
  /** The waiters whose operations it carries, once it is sent; what follows is theirs. */
  sent: readonly Waiter<Result>[] = [];
  /** How many bytes their operations take together. */
  sentBytes = 0;
  /** The first deadline among them. */
  firstMs: number = Infinity;
  /** The last deadline among them. */
  lastMs = 0;
  /** A revision that etcd had reached before it was sent, as etcd writes it; 0 if none is known. */
  since = "0";
  #unsettled = 0;
  #abandoned: AbortController | undefined;

  /** A request without a waiter. */
  constructor(turn: number) {
    this.turn = turn;
  }

  /** How many operations it has. */
  get size(): number {
    return this.waiters.length;
  }

  /** Whether it is one large operation. */
  get isLarge(): boolean {
    return this.size === 1 && this.bytes >= LARGE_BYTES;
  }

  /** The waiters that have neither answer nor error since it was sent. */
  get unsettled(): readonly Waiter<Result>[] {
    return this.sent.filter(({ settled }) => !settled);
  }

  /** Its method and message for etcd: plain ones of one operation, or a transaction of several. */
  get call(): { readonly method: string; readonly message: unknown } {
    const success = this.sent.map(({ op }) => op.request);
    const [one] = success;
    if (success.length > 1) {
      const message = { compare: [], success, failure: [] };
      return { method: "txn", message };
    }
    if (one?.request_put) return { method: "put", message: one.request_put };
    return one?.request_range
      ? { method: "range", message: one.request_range }
      : { method: "deleteRange", message: one?.request_delete_range };
  }

  /** Aborts when no caller waits for the answer any more. */
  get signal(): AbortSignal {
    return (this.#abandoned ??= new AbortController()).signal;
  }

  /** Takes a waiter in. */
  add(waiter: Waiter<Result>): void {
    const { bytes, key, type } = waiter.op;
    this.waiters.push(waiter);
    this.bytes += bytes;
    if (type !== "get") this.written.add(key);
    waiter.request = this;
  }

  /** Takes `count` waiters out, from the one at `index` on; only before it has left. */
  take(index: number, count: number): readonly Waiter<Result>[] {
    const taken = this.waiters.splice(index, count);
    for (const waiter of taken) {
      this.bytes -= waiter.op.bytes;
      waiter.request = undefined;
    }
    return taken;
  }

  /** Lets nothing join any more. */
  close(): void {
    if (this.state === "open") this.state = "closed";
  }

  /** Is sent now, with the operations of the waiters that are not settled yet. */
  send(): void {
    this.state = "sent";
    this.sent = this.waiters.filter(({ settled }) => !settled);
    for (const { op, deadlineMs } of this.sent) {
      this.sentBytes += op.bytes;
      this.firstMs = Math.min(this.firstMs, deadlineMs);
      this.lastMs = Math.max(this.lastMs, deadlineMs);
    }
    this.#unsettled = this.sent.length;
  }

  /** One of its waiters was settled. */
  onSettled(): void {
    if (this.state !== "sent") return;
    this.#unsettled -= 1;
    if (this.#unsettled === 0) this.#abandoned?.abort(ABANDONED);
  }
}
