/**
 * Gets, or puts and deletes, of many callers that share requests to etcd.
 *
 * `batch_queue.ts` says what leaves when; here it is sent, and each caller gets
 * the answer, error, deadline and abort that it would have had alone.
 *
 * @module
 */

import type { ITxnResponse } from "etcd3/lib/rpc.js";
import type { Clock } from "../base/clock.ts";
import { EtcdCallError } from "../etcd/etcd_call_error.ts";
import type { EtcdClient } from "../etcd/etcd_client.ts";
import { type Batch, BatchQueue } from "./batch_queue.ts";
import type {
  Call,
  Flight,
  SharedKind,
  SharedOperation,
} from "./shared_call.ts";
import {
  OutcomeUnknownError,
  StoreClosedError,
  StoreError,
  type StoreOptions,
  StoreUnavailableError,
} from "./state_store.ts";

/** How long a call may take unless its caller says otherwise. */
const TIMEOUT_MS = 5_000;
/** How often deadlines and slow requests are looked for while there are any. */
const TICK_MS = 25;
/** How long before its deadline a call ends that nobody can be found for: the longest pause between attempts. */
const LAST_PAUSE_MS = 500;

/** Why a request ends that nobody waits for any more. */
const ABANDONED = new Error("All callers have left");

/** The operations of one kind of one store. */
export class SharedCalls<Op extends SharedOperation, Answer, Result> {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #kind: SharedKind<Op, Answer, Result>;
  readonly #queue = new BatchQueue<Call<Op, Result>>();
  readonly #flights = new Set<Flight<Op, Result>>();
  readonly #closed = new AbortController();
  #pumping = false;
  #ticking = false;

  /** Operations of `kind` on `client`; nothing is sent yet. */
  constructor(
    client: EtcdClient,
    clock: Clock,
    kind: SharedKind<Op, Answer, Result>,
  ) {
    this.#client = client;
    this.#clock = clock;
    this.#kind = kind;
  }

  /** Does an operation, alone or with others. */
  call(
    op: Op,
    { signal, timeoutMs = TIMEOUT_MS }: StoreOptions = {},
  ): Promise<Result> {
    if (this.#closed.signal.aborted) {
      return Promise.reject(new StoreClosedError());
    }
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const call: Call<Op, Result> = {
        key: op.key,
        type: op.type,
        bytes: op.bytes,
        alone: op.alone,
        op,
        deadlineMs: this.#clock.nowMs() + timeoutMs,
        signal,
        onAbort: signal && (() => this.#leave(call, signal.reason)),
        resolve,
        reject,
        flight: undefined,
        settled: false,
        lastError: undefined,
      };
      if (call.onAbort) {
        signal?.addEventListener("abort", call.onAbort, { once: true });
      }
      this.#queue.push(call);
      this.#pumpSoon();
    });
  }

  /** Refuses what waits and what comes; what is in flight ends with the client. */
  close(): void {
    this.#closed.abort(new StoreClosedError());
    for (const call of [...this.#queue.waiting()]) {
      this.#leave(call, new StoreClosedError());
    }
  }

  /** Sends once the code that runs now has issued all that it wants to: in the same turn of the event loop. */
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
      const batch = this.#queue.next();
      if (batch === undefined) break;
      const [only] = batch.ops;
      if (batch.ops.length === 1 && only) this.#sendAlone(only, batch);
      else this.#sendTogether(batch);
    }
    if (this.#flights.size > 0 || this.#queue.hasWaiting) this.#keepTicking();
  }

  async #sendAlone(
    call: Call<Op, Result>,
    batch: Batch<Call<Op, Result>>,
  ): Promise<void> {
    const { op, signal, deadlineMs } = call;
    const timeoutMs = Math.max(1, deadlineMs - this.#clock.nowMs());
    this.#forgetSignal(call);
    try {
      const result = await this.#kind.alone(op, { signal, timeoutMs });
      this.#kind.done?.([op], [result]);
      call.resolve(result);
    } catch (error) {
      this.#look(error);
      call.reject(this.#kind.error(error, op));
    }
    call.settled = true;
    this.#queue.done(batch);
    this.#pumpSoon();
  }

  async #sendTogether(batch: Batch<Call<Op, Result>>): Promise<void> {
    const calls = batch.ops;
    const flight: Flight<Op, Result> = {
      calls,
      open: calls.length,
      abandon: new AbortController(),
    };
    this.#flights.add(flight);
    let firstMs = Infinity;
    let lastMs = 0;
    for (const call of calls) {
      call.flight = flight;
      firstMs = Math.min(firstMs, call.deadlineMs);
      lastMs = Math.max(lastMs, call.deadlineMs);
    }
    const nowMs = this.#clock.nowMs();
    try {
      const answer = await this.#request(calls, {
        signal: flight.abandon.signal,
        timeoutMs: Math.max(1, lastMs - nowMs),
        sendWithinMs: Math.max(1, firstMs - nowMs),
      });
      this.#queue.maxOps.accept(calls.length);
      this.#queue.maxBytes.accept(batch.bytes);
      this.#answer(calls, answer);
    } catch (error) {
      this.#fail(batch, error, firstMs);
    }
    this.#flights.delete(flight);
    this.#queue.done(batch);
    this.#pumpSoon();
  }

  #request(
    calls: readonly Call<Op, Result>[],
    options: {
      signal: AbortSignal;
      timeoutMs: number;
      sendWithinMs: number;
    },
  ): Promise<ITxnResponse> {
    const request = {
      compare: [],
      success: calls.map(({ op }) => op.request),
      failure: [],
    };
    return this.#kind.repeatable
      ? this.#client.repeatable("KV", "txn", request, options)
      : this.#client.once("KV", "txn", request, options);
  }

  #answer(
    calls: readonly Call<Op, Result>[],
    { header, responses }: ITxnResponse,
  ): void {
    const results = calls.map((_, index) =>
      this.#kind.result(responses[index] as Answer, header)
    );
    this.#kind.done?.(calls.map(({ op }) => op), results);
    for (const [index, call] of calls.entries()) {
      if (!this.#settle(call)) continue;
      call.resolve(results[index] as Result);
    }
  }

  /** A request for several has failed: whose failure is it? */
  #fail(
    { ops: calls, bytes }: Batch<Call<Op, Result>>,
    error: unknown,
    firstMs: number,
  ): void {
    this.#look(error);
    const open = calls.filter(({ settled }) => !settled);
    const notDone = error instanceof EtcdCallError &&
      (this.#kind.repeatable || error.outcome === "not-done");
    if (!notDone || this.#closed.signal.aborted) {
      for (const call of open) this.#refuse(call, error);
    } else if (error.failure === "unavailable") {
      // Nobody could be asked in the time of the first; others have more.
      const overMs = Math.max(firstMs, this.#clock.nowMs() + LAST_PAUSE_MS);
      const rest = open.filter(({ deadlineMs }) => deadlineMs > overMs);
      for (const call of open) {
        call.lastError = error;
        if (call.deadlineMs <= overMs) this.#refuse(call, error);
      }
      if (rest.length > 0) this.#queue.putBack(this.#landed(rest));
    } else {
      this.#takeApart(open, error.failure, { bytes, count: calls.length });
    }
  }

  /** Asks again for less at once, in the same order. */
  #takeApart(
    open: readonly Call<Op, Result>[],
    failure: EtcdCallError["failure"],
    { bytes, count }: { readonly bytes: number; readonly count: number },
  ): void {
    this.#landed(open);
    if (failure === "too-many") this.#queue.maxOps.refuse(count);
    if (failure === "too-large") this.#queue.maxBytes.refuse(bytes);
    const isLimit = failure === "too-many" || failure === "too-large";
    const size = isLimit ? Math.max(1, Math.floor(count / 2)) : 1;
    for (let end = open.length; end > 0; end -= size) {
      this.#queue.putBack(open.slice(Math.max(0, end - size), end));
    }
  }

  #landed(calls: readonly Call<Op, Result>[]): readonly Call<Op, Result>[] {
    for (const call of calls) call.flight = undefined;
    return calls;
  }

  #look(error: unknown): void {
    if (error instanceof EtcdCallError && error.failure === "no-space") {
      this.#kind.full?.();
    }
  }

  /** Looks for calls whose time is over, and for slow requests, as long as there is anything to look at. */
  async #keepTicking(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    const { signal } = this.#closed;
    try {
      while (this.#flights.size > 0 || this.#queue.hasWaiting) {
        await this.#clock.sleep(TICK_MS, { signal });
        this.#tick();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#ticking = false;
    }
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    const late = [...this.#queue.waiting()];
    for (const { calls } of this.#flights) late.push(...calls);
    for (const call of late) {
      // A request that could not be sent says so itself, just at the deadline.
      const overMs = call.deadlineMs + (call.flight ? TICK_MS : 0);
      if (call.settled || overMs > nowMs) continue;
      const known = call.lastError !== undefined && call.flight === undefined;
      this.#leave(
        call,
        known ? this.#kind.error(call.lastError, call.op) : this.#late(call),
      );
    }
    this.#queue.tick();
    this.#pump();
  }

  #late({ flight, op }: Call<Op, Result>): StoreError {
    const message = `Cannot ${op.type} "${op.key}": no answer in time`;
    return flight && !this.#kind.repeatable
      ? new OutcomeUnknownError(message)
      : new StoreUnavailableError(message);
  }

  /** Ends a call before its answer; the request goes on for the others. */
  #leave(call: Call<Op, Result>, reason: unknown): void {
    const { flight } = call;
    if (!this.#settle(call)) return;
    if (flight === undefined) this.#queue.remove(call);
    else if (flight.open === 0) flight.abandon.abort(ABANDONED);
    call.reject(reason);
  }

  #refuse(call: Call<Op, Result>, error: unknown): void {
    if (this.#settle(call)) call.reject(this.#kind.error(error, call.op));
  }

  /** False if the call has ended already. */
  #settle(call: Call<Op, Result>): boolean {
    if (call.settled) return false;
    call.settled = true;
    this.#forgetSignal(call);
    if (call.flight) call.flight.open -= 1;
    return true;
  }

  #forgetSignal({ signal, onAbort }: Call<Op, Result>): void {
    if (onAbort) signal?.removeEventListener("abort", onAbort);
  }
}
