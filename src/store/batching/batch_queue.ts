/**
 * Which operations leave together, and when: the rules of shared requests,
 * without any input or output.
 *
 * ```
 *             push                                 next
 * operation ───────▶ … closed │ closed │ open ─────────────▶ in flight ──▶ done
 *             remove ◀─┘          ▲                             │  ▲
 *                                 └──── putBack ────────────────┘  │ tick, tick
 *                                                          quick ──┴──▶ slow
 * ```
 *
 * Operations leave in the order in which they came. They gather in requests, of
 * which only the last is open. It is closed by an operation that cannot join, as
 * another write of the same key, or by a limit. An open request leaves when a
 * place is free, at once if nothing is in flight: until then more may join. A
 * closed one gains nothing by waiting and needs no place.
 *
 * Large operations have a queue and a limit of their own. While they wait there,
 * all others may pass them except writes of their keys.
 *
 * @module
 */

import { Fifo } from "./fifo.ts";
import { InFlightLimit } from "./in_flight_limit.ts";
import { LearnedLimit } from "./learned_limit.ts";
import {
  LARGE_BYTES,
  type SharedOperation,
  SharedRequest,
  type Waiter,
} from "./shared_request.ts";

/** The most operations that gain anything by leaving together. */
const MOST_OPS = 128;
/** The most bytes in a request. Longer ones are cheap for each byte already, and delay others. */
const MOST_BYTES = 512 * 1024;
/** How many operations the queue holds, waiting and in flight: some 130 MB of promises and the like. */
const HELD_OPS = 100_000;
/** How many bytes of keys and values the queue holds, waiting and in flight. */
const HELD_BYTES = 128 * 1024 * 1024;

/** The operations of one store that wait to leave or are in flight. */
export class BatchQueue<Result> {
  /** How many operations the server takes in one request. */
  readonly maxOps = new LearnedLimit(MOST_OPS);
  /** How many bytes the server takes in one request. */
  readonly maxBytes = new LearnedLimit(MOST_BYTES);
  readonly #mayShare: (op: SharedOperation) => boolean;
  readonly #usual = new Fifo<SharedRequest<Result>>();
  readonly #large = new Fifo<SharedRequest<Result>>();
  /** The last request in the queue of large ones that writes a key. */
  readonly #largeWrites = new Map<string, SharedRequest<Result>>();
  readonly #inFlight = new InFlightLimit();
  #lastTurn = 0;
  #heldOps = 0;
  #heldBytes = 0;

  /** An empty queue; `mayShare` is asked when a request leaves. */
  constructor(mayShare: (op: SharedOperation) => boolean = () => true) {
    this.#mayShare = mayShare;
  }

  /** How many operations wait or are in flight. */
  get size(): number {
    return this.#heldOps;
  }

  /** Whether any operation waits. */
  get hasWaiting(): boolean {
    return this.#first(this.#usual) !== undefined ||
      this.#first(this.#large) !== undefined;
  }

  /** The waiters that have not left, each queue's in order. */
  *waiting(): Iterable<Waiter<Result>> {
    for (const { waiters } of this.#usual) yield* waiters;
    for (const { waiters } of this.#large) yield* waiters;
  }

  /** Whether there is memory for another operation. */
  hasMemoryFor({ holds }: SharedOperation): boolean {
    return this.#heldOps < HELD_OPS &&
      (this.#heldOps === 0 || this.#heldBytes + holds <= HELD_BYTES);
  }

  /** Takes a waiter in. */
  push(waiter: Waiter<Result>): void {
    const { op } = waiter;
    const queue = this.#queueOf(op);
    // A large operation leaves after all that came before it, so that must not wait.
    if (queue === this.#large) this.#usual.last?.close();
    let last = queue.last;
    if (last === undefined || !this.#joins(op, last)) {
      last?.close();
      last = new SharedRequest<Result>(++this.#lastTurn);
      queue.push(last);
    }
    last.add(waiter);
    if (queue === this.#large && op.type !== "get") {
      this.#largeWrites.set(op.key, last);
    }
    if (leavesAlone(op) || last.size >= this.maxOps.value) last.close();
    this.#hold([waiter], 1);
  }

  /** Takes a waiter out again; false if it has left. */
  remove(waiter: Waiter<Result>): boolean {
    const { request } = waiter;
    if (request?.state !== "open" && request?.state !== "closed") return false;
    request.take(request.waiters.indexOf(waiter), 1);
    this.#hold([waiter], -1);
    return true;
  }

  /** Puts waiters whose operations certainly were not done before all others, in a request that no other joins. */
  putBack(waiters: readonly Waiter<Result>[]): void {
    const [first] = waiters;
    if (first === undefined) return;
    this.#hold(waiters, 1);
    this.#putFirst(this.#queueOf(first.op), waiters);
  }

  /** The request that leaves now, if any does. */
  next(): SharedRequest<Result> | undefined {
    const usual = this.#first(this.#usual);
    const large = this.#first(this.#large);
    const isLargeFirst = large && large.turn <= (usual?.turn ?? Infinity);
    if (isLargeFirst && this.#inFlight.allows(large)) {
      return this.#leave(this.#large, large);
    }
    return usual && this.#inFlight.allows(usual)
      ? this.#leave(this.#usual, usual)
      : undefined;
  }

  /** A request was answered or has failed. */
  done(request: SharedRequest<Result>): void {
    this.#inFlight.remove(request);
    this.#hold(request.waiters, -1);
  }

  /** Some time has passed, much longer than a request usually takes. */
  tick(): void {
    this.#inFlight.tick();
  }

  #queueOf({ type, key, bytes }: SharedOperation): Fifo<SharedRequest<Result>> {
    const isLarge = bytes >= LARGE_BYTES ||
      type !== "get" && this.#largeWrites.has(key);
    return isLarge ? this.#large : this.#usual;
  }

  /** The first request of a queue; those that all waiters have left are dropped. */
  #first(
    queue: Fifo<SharedRequest<Result>>,
  ): SharedRequest<Result> | undefined {
    while (queue.first?.size === 0) this.#takeFirst(queue, queue.first);
    return queue.first;
  }

  #takeFirst(
    queue: Fifo<SharedRequest<Result>>,
    first: SharedRequest<Result>,
  ): void {
    queue.shift();
    if (queue !== this.#large) return;
    for (const key of first.written) {
      if (this.#largeWrites.get(key) === first) this.#largeWrites.delete(key);
    }
  }

  #leave(
    queue: Fifo<SharedRequest<Result>>,
    request: SharedRequest<Result>,
  ): SharedRequest<Result> {
    this.#takeFirst(queue, request);
    const count = this.#countThatFits(request);
    if (count < request.size) {
      this.#putFirst(queue, request.take(count, Infinity));
    }
    request.state = "left";
    this.#inFlight.add(request);
    return request;
  }

  #joins(
    op: SharedOperation,
    { state, waiters: [first], bytes, written }: SharedRequest<Result>,
  ): boolean {
    if (state !== "open") return false;
    if (first === undefined) return true;
    return first.op.type === op.type && !written.has(op.key) &&
      !leavesAlone(op) &&
      bytes + op.bytes <= this.maxBytes.value;
  }

  /** How many of the operations may leave by what has become known since they gathered. */
  #countThatFits({ waiters }: SharedRequest<Result>): number {
    const first = waiters[0] as Waiter<Result>;
    const most = this.#mayShare(first.op) ? this.maxOps.value : 1;
    let count = 0;
    let bytes = 0;
    for (const { op } of waiters) {
      bytes += op.bytes;
      if (count > 0 && (count >= most || bytes > this.maxBytes.value)) break;
      count += 1;
    }
    return count;
  }

  #putFirst(
    queue: Fifo<SharedRequest<Result>>,
    waiters: readonly Waiter<Result>[],
  ): void {
    const request = new SharedRequest<Result>(0);
    for (const waiter of waiters) request.add(waiter);
    request.close();
    queue.unshift(request);
    if (queue !== this.#large) return;
    for (const key of request.written) {
      if (!this.#largeWrites.has(key)) this.#largeWrites.set(key, request);
    }
  }

  #hold(waiters: readonly Waiter<Result>[], sign: 1 | -1): void {
    this.#heldOps += sign * waiters.length;
    for (const { op } of waiters) this.#heldBytes += sign * op.holds;
  }
}

/** etcd refuses an empty key, and with it all that shares its request. */
function leavesAlone({ key, bytes }: SharedOperation): boolean {
  return key === "" || bytes >= LARGE_BYTES;
}
