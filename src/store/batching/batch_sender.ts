/**
 * Sends the operations of many callers in few requests, and gives each caller
 * the answer, error, deadline and abort that it would have had alone.
 *
 * Which operations leave together, and when, is decided by `batch_queue.ts`.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import type { EtcdClient, OnceOptions } from "../../etcd/client/etcd_client.ts";
import {
  StoreClosedError,
  type StoreOptions,
  StoreUnavailableError,
} from "../state_store.ts";
import { BatchQueue } from "./batch_queue.ts";
import type { FailurePlan } from "./failure_plan.ts";
import {
  type SharedOperation,
  type SharedRequest,
  Waiter,
} from "./shared_request.ts";
import { SignalGroups } from "./signal_groups.ts";
import type { ValueSizes } from "./value_sizes.ts";

/** How long a call may take unless its caller says otherwise. */
const TIMEOUT_MS = 5_000;
/** How often deadlines and slow requests are checked while there are any. */
const TICK_MS = 25;

/** What etcd's last answers have shown; the reads and the writes of a store share it. */
export interface LastSeen {
  /** The revision of the last answer, as etcd writes it; 0 if there was none. */
  revision: string;
  /**
   * etcd's database is full: puts are refused, and before 3.4.20 and 3.5.7
   * every transaction, while deletes and gets are done if they are alone.
   */
  full: boolean;
  /** How large values are. */
  readonly sizes: ValueSizes;
}

/** The reads or the writes of one store. */
export abstract class BatchSender<Result> {
  /** The way to etcd. */
  protected readonly client: EtcdClient;
  /** The clock of deadlines. */
  protected readonly clock: Clock;
  /** What is known of etcd. */
  protected readonly seen: LastSeen;
  readonly #queue = new BatchQueue<Result>((op) => this.mayShare(op));
  /** The requests in flight that have several waiters. */
  readonly #shared = new Set<SharedRequest<Result>>();
  readonly #signals = new SignalGroups<Waiter<Result>>(
    (waiter, reason) => this.#giveUp(waiter, reason),
  );
  readonly #closed = new AbortController();
  #pumping = false;
  #ticking = false;

  /** A sender that has sent nothing yet. */
  constructor(client: EtcdClient, clock: Clock, seen: LastSeen) {
    this.client = client;
    this.clock = clock;
    this.seen = seen;
  }

  /** Whether an operation that leaves now may do so with others like it. */
  protected abstract mayShare(op: SharedOperation): boolean;
  /** Sends a request; resolves with the results of its operations, in order. */
  protected abstract send(
    request: SharedRequest<Result>,
    options: OnceOptions,
  ): Promise<readonly Result[]>;
  /** Decides what becomes of the waiters of a request that failed. */
  protected abstract onFailure(
    request: SharedRequest<Result>,
    error: EtcdCallError,
  ): FailurePlan<Result> | Promise<FailurePlan<Result>>;
  /** The error that the caller of an operation gets. */
  protected abstract toError(error: unknown, op: SharedOperation): unknown;

  /** Whether it was closed. */
  protected get isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** Does an operation, alone or with others. */
  protected call(
    op: SharedOperation,
    { signal, timeoutMs = TIMEOUT_MS }: StoreOptions = {},
  ): Promise<Result> {
    if (this.isClosed) return Promise.reject(new StoreClosedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (!this.#queue.hasMemoryFor(op)) return Promise.reject(tooMuchWaits(op));
    const deadlineMs = this.clock.nowMs() + timeoutMs;
    const waiter = new Waiter<Result>(op, { deadlineMs, signal });
    if (signal) this.#signals.add(signal, waiter);
    this.#queue.push(waiter);
    this.#pumpSoon();
    return waiter.promise;
  }

  /** Refuses what waits and what comes; what is in flight ends with the client. */
  close(): void {
    this.#closed.abort(new StoreClosedError());
    for (const waiter of [...this.#queue.waiting()]) {
      this.#giveUp(waiter, new StoreClosedError());
    }
  }

  /** Sends once the code that runs now has issued all its operations: in the same turn of the event loop. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (true) {
      const request = this.#queue.next();
      if (request === undefined) break;
      this.#send(request).finally(() => {
        this.#queue.done(request);
        this.#pumpSoon();
      });
    }
    if (!this.#ticking && this.#needsTicks) void this.#tickWhileNeeded();
  }

  async #send(request: SharedRequest<Result>): Promise<void> {
    const nowMs = this.clock.nowMs();
    for (const waiter of request.waiters) {
      if (waiter.deadlineMs <= nowMs) this.#giveUp(waiter, this.#late(waiter));
    }
    request.send();
    const { sent, sentBytes, firstMs, lastMs } = request;
    const [first] = sent;
    if (first === undefined) return;
    const isShared = sent.length > 1;
    // A request of one operation is given its signal and deadline instead.
    if (isShared) this.#shared.add(request);
    else this.#forgetSignal(first);
    try {
      const results = await this.send(request, {
        signal: isShared ? request.signal : first.signal,
        timeoutMs: Math.max(1, lastMs - nowMs),
        sendWithinMs: Math.max(1, firstMs - nowMs),
      });
      if (isShared) {
        this.#queue.maxOps.accept(sent.length);
        this.#queue.maxBytes.accept(sentBytes);
      }
      sent.forEach((waiter, index) => {
        this.#forgetSignal(waiter);
        waiter.resolve(results[index] as Result);
      });
    } catch (error) {
      await this.#fail(request, error);
    } finally {
      this.#shared.delete(request);
    }
  }

  async #fail(request: SharedRequest<Result>, error: unknown): Promise<void> {
    const { sent, sentBytes } = request;
    const failure = error instanceof EtcdCallError ? error.failure : undefined;
    if (sent.length > 1) {
      const { maxOps, maxBytes } = this.#queue;
      if (failure === "too-many") maxOps.refuse(sent.length);
      if (failure === "too-large") maxBytes.refuse(sentBytes);
    }
    const { reject, retry } = error instanceof EtcdCallError && !this.isClosed
      ? await this.onFailure(request, error)
      : { reject: sent, retry: [] };
    // A refusal may be meant for another operation; that no member was found is not.
    const lastError = failure === "unavailable" ? error : undefined;
    for (const group of retry.toReversed()) {
      for (const waiter of group) waiter.lastError = lastError;
      this.#queue.putBack(group);
    }
    for (const waiter of reject) {
      this.#giveUp(waiter, this.toError(error, waiter.op));
    }
  }

  get #needsTicks(): boolean {
    return this.#shared.size > 0 || this.#queue.hasWaiting;
  }

  async #tickWhileNeeded(): Promise<void> {
    const { signal } = this.#closed;
    this.#ticking = true;
    while (this.#needsTicks && !signal.aborted) {
      await this.clock.sleep(TICK_MS, { signal }).catch(() => {});
      if (!signal.aborted) this.#tick();
    }
    this.#ticking = false;
  }

  /** Gives up waiters whose time is over, and finds slow requests. */
  #tick(): void {
    const nowMs = this.clock.nowMs();
    const late: Waiter<Result>[] = [];
    for (const waiter of this.#queue.waiting()) {
      if (waiter.deadlineMs <= nowMs) late.push(waiter);
    }
    for (const { sent, firstMs } of this.#shared) {
      // A request that could not be sent says so itself, just at the deadline.
      const overMs = nowMs - TICK_MS;
      if (firstMs > overMs) continue;
      late.push(...sent.filter(({ deadlineMs }) => deadlineMs <= overMs));
    }
    for (const waiter of late) this.#giveUp(waiter, this.#late(waiter));
    this.#queue.tick();
    this.#pump();
  }

  #late({ request, op, lastError }: Waiter<Result>): unknown {
    const isSent = request?.state === "sent";
    const error = !isSent && lastError ||
      new EtcdCallError("no answer in time", {
        failure: "unavailable",
        outcome: isSent ? "unknown" : "not-done",
      });
    return this.toError(error, op);
  }

  /** Ends a wait with an error; a request that the waiter is in goes on for others. */
  #giveUp(waiter: Waiter<Result>, error: unknown): void {
    this.#queue.remove(waiter);
    this.#forgetSignal(waiter);
    waiter.reject(error);
  }

  /** From here on an abort of its signal settles the waiter no more. */
  #forgetSignal(waiter: Waiter<Result>): void {
    if (waiter.signal) this.#signals.remove(waiter.signal, waiter);
  }
}

/** So many operations wait that there is no memory for another. */
function tooMuchWaits({ type, key }: SharedOperation): StoreUnavailableError {
  return new StoreUnavailableError(
    `Cannot ${type} "${key}": too much waits to be done already`,
    { hint: "Await some of the calls under way before starting more" },
  );
}
