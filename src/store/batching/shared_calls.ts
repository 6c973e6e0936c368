/**
 * Gets, or puts and deletes, of many callers that share requests to etcd.
 *
 * `batch_queue.ts` says what leaves when; here it is sent, and each caller gets
 * the answer, error, deadline and abort that it would have had alone.
 *
 * @module
 */

import type { ITxnResponse } from "etcd3/lib/rpc.js";
import type { Clock } from "../../base/clock.ts";
import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import type { EtcdClient } from "../../etcd/client/etcd_client.ts";
import { BatchQueue } from "./batch_queue.ts";
import { Flight } from "./flight.ts";
import type { Batch } from "./lane.ts";
import {
  SharedCall,
  type SharedKind,
  type SharedOperation,
} from "./shared_call.ts";
import { noAnswerInTime, tooMuchWaits } from "./shared_errors.ts";
import { SignalGroups } from "./signal_groups.ts";
import { StoreClosedError, type StoreOptions } from "../state_store.ts";
import { Ticker } from "./ticker.ts";

/** How long a call may take unless its caller says otherwise. */
const TIMEOUT_MS = 5_000;
/** How often deadlines and slow requests are looked for while there are any. */
const TICK_MS = 25;

/** The operations of one kind of one store. */
export class SharedCalls<Op extends SharedOperation, Answer, Result> {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #kind: SharedKind<Op, Answer, Result>;
  readonly #queue: BatchQueue<SharedCall<Op, Result>>;
  readonly #flights = new Set<Flight<SharedCall<Op, Result>>>();
  readonly #signals = new SignalGroups<SharedCall<Op, Result>>(
    (call, reason) => this.#giveUp(call, reason),
  );
  readonly #closed = new AbortController();
  readonly #ticker: Ticker;
  #pumping = false;

  /** Operations of `kind` on `client`; nothing is sent yet. */
  constructor(
    client: EtcdClient,
    clock: Clock,
    kind: SharedKind<Op, Answer, Result>,
  ) {
    this.#client = client;
    this.#clock = clock;
    this.#kind = kind;
    this.#queue = new BatchQueue(({ op }) => kind.mayShare(op));
    this.#ticker = new Ticker({
      clock,
      everyMs: TICK_MS,
      signal: this.#closed.signal,
      isNeeded: () => this.#flights.size > 0 || this.#queue.hasWaiting,
      tick: () => this.#tick(),
    });
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
    if (!this.#queue.hasRoomFor(op)) return Promise.reject(tooMuchWaits(op));
    const call = new SharedCall<Op, Result>(op, {
      deadlineMs: this.#clock.nowMs() + timeoutMs,
      signal,
      onStored: signal && (() => this.#forgetSignal(call)),
    });
    if (signal) this.#signals.add(signal, call);
    this.#queue.push(call);
    this.#pumpSoon();
    return call.promise;
  }

  /** Refuses what waits and what comes; what is in flight ends with the client. */
  close(): void {
    this.#closed.abort(new StoreClosedError());
    for (const call of [...this.#queue.waiting()]) {
      this.#giveUp(call, new StoreClosedError());
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
      this.#send(batch).finally(() => {
        this.#queue.done(batch);
        this.#pumpSoon();
      });
    }
    this.#ticker.start();
  }

  async #send({ ops }: Batch<SharedCall<Op, Result>>): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const calls = ops.filter((call) => {
      const isInTime = call.deadlineMs > nowMs;
      if (!isInTime) call.reject(this.#late(call));
      return isInTime;
    });
    const [first] = calls;
    if (first === undefined) return;
    if (calls.length > 1) return await this.#sendTogether(calls);
    await this.#ask(first, (options) => this.#kind.alone(first.op, options));
  }

  /** Asks for one, in a way that keeps to its signal and deadline by itself. */
  async #ask(
    call: SharedCall<Op, Result>,
    ask: (options: StoreOptions) => Promise<Result>,
  ): Promise<void> {
    const { op, signal, deadlineMs } = call;
    const timeoutMs = Math.max(1, deadlineMs - this.#clock.nowMs());
    this.#forgetSignal(call);
    try {
      const result = await ask({ signal, timeoutMs });
      this.#kind.done([op], [result]);
      call.resolve(result);
    } catch (error) {
      if (error instanceof EtcdCallError) this.#kind.failed(error, [op]);
      call.reject(this.#kind.error(error, op));
    }
  }

  async #sendTogether(
    calls: readonly SharedCall<Op, Result>[],
  ): Promise<void> {
    const flight = new Flight(calls, this.#kind.revision());
    this.#flights.add(flight);
    for (const call of calls) call.flight = flight;
    try {
      const answer = await this.#request(flight);
      this.#queue.maxOps.accept(calls.length);
      this.#queue.maxBytes.accept(flight.bytes);
      this.#answer(calls, answer);
    } catch (error) {
      await this.#fail(flight, error);
    } finally {
      this.#flights.delete(flight);
    }
  }

  #request(
    { calls, signal, firstMs, lastMs }: Flight<SharedCall<Op, Result>>,
  ): Promise<ITxnResponse> {
    const nowMs = this.#clock.nowMs();
    const timeoutMs = Math.max(1, lastMs - nowMs);
    const request = {
      compare: [],
      success: calls.map(({ op }) => op.request),
      failure: [],
    };
    if (this.#kind.repeatable) {
      const options = { signal, timeoutMs };
      return this.#client.repeatable("KV", "txn", request, options);
    }
    const sendWithinMs = Math.max(1, firstMs - nowMs);
    const options = { signal, timeoutMs, sendWithinMs };
    return this.#client.once("KV", "txn", request, options);
  }

  #answer(
    calls: readonly SharedCall<Op, Result>[],
    { header, responses }: ITxnResponse,
  ): void {
    const results = calls.map((_, index) =>
      this.#kind.result(responses[index] as Answer, header)
    );
    this.#kind.done(calls.map(({ op }) => op), results);
    calls.forEach((call, index) => call.resolve(results[index] as Result));
  }

  async #fail(
    flight: Flight<SharedCall<Op, Result>>,
    error: unknown,
  ): Promise<void> {
    const { calls } = flight;
    const { maxOps, maxBytes } = this.#queue;
    if (error instanceof EtcdCallError) {
      this.#kind.failed(error, calls.map(({ op }) => op));
      if (error.failure === "too-many") maxOps.refuse(calls.length);
      if (error.failure === "too-large") maxBytes.refuse(flight.bytes);
    }
    const nowMs = this.#clock.nowMs();
    const { repeatable } = this.#kind;
    const { failed, again } = this.#closed.signal.aborted
      ? { failed: calls, again: [] }
      : flight.judge(error, { repeatable, nowMs });
    // A refusal may be meant for another; that nobody could be asked is not.
    const wasRefused = error instanceof EtcdCallError &&
      error.failure !== "unavailable";
    const lastError = wasRefused ? undefined : error;
    for (const group of again.toReversed()) {
      for (const call of group) {
        call.flight = undefined;
        call.lastError = lastError;
      }
      this.#queue.putBack(group);
    }
    await Promise.all(
      failed.map((call) => this.#failOne(call, { flight, error })),
    );
  }

  async #failOne(
    call: SharedCall<Op, Result>,
    { flight, error }: {
      readonly flight: Flight<SharedCall<Op, Result>>;
      readonly error: unknown;
    },
  ): Promise<void> {
    const { op } = call;
    if (error instanceof EtcdCallError && !call.settled) {
      const doubt = { error, since: BigInt(flight.since) };
      const findOut = this.#kind.findOut(op, doubt);
      if (findOut) return await this.#ask(call, findOut);
    }
    call.reject(this.#kind.error(error, op));
  }

  /** Looks for calls whose time is over, and for slow requests. */
  #tick(): void {
    const nowMs = this.#clock.nowMs();
    const late: SharedCall<Op, Result>[] = [];
    for (const call of this.#queue.waiting()) {
      if (call.deadlineMs <= nowMs) late.push(call);
    }
    for (const { calls, firstMs } of this.#flights) {
      // A request that could not be sent says so itself, just at the deadline.
      const overMs = nowMs - TICK_MS;
      if (firstMs > overMs) continue;
      late.push(...calls.filter(({ deadlineMs }) => deadlineMs <= overMs));
    }
    for (const call of late) this.#giveUp(call, this.#late(call));
    this.#queue.tick();
    this.#pump();
  }

  #late({ flight, op, lastError }: SharedCall<Op, Result>): unknown {
    if (flight === undefined && lastError !== undefined) {
      return this.#kind.error(lastError, op);
    }
    const mayBeDone = flight !== undefined && !this.#kind.repeatable;
    return noAnswerInTime(op, { mayBeDone });
  }

  /** From here on nobody hears of its signal, or whoever asks for it alone. */
  #forgetSignal(call: SharedCall<Op, Result>): void {
    if (call.signal) this.#signals.remove(call.signal, call);
  }

  /** Ends a call before its answer; a request that it is in goes on for others. */
  #giveUp(call: SharedCall<Op, Result>, reason: unknown): void {
    this.#queue.remove(call);
    call.reject(reason);
  }
}
