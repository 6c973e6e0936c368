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
 * Operations leave in the order in which they came. They gather in batches;
 * only the last one is open. It is closed by an operation that cannot join, as
 * another write of the same key, or by a limit. An open batch leaves when one
 * of a few places is free, at once if nothing is in flight: waiting pays, for
 * more may join. A closed batch gains nothing by waiting and needs no place,
 * only some room. A request that takes long gives its place and room back.
 *
 * Large operations need no place, but room of their own. While it is taken they
 * wait in a lane beside, where all others pass them except writes of their keys.
 *
 * @module
 */

import {
  type Batch,
  type Held,
  held,
  Lane,
  LARGE_BYTES,
  type Queued,
} from "./lane.ts";
import { LearnedLimit } from "./learned_limit.ts";
import { Room } from "./room.ts";

/** The most operations that gain anything by leaving together. */
const MOST_OPS = 128;
/** The most bytes in a batch. Longer ones are cheap for each byte already, and hold others up. */
const MOST_BYTES = 512 * 1024;
/** How many operations the queue holds, waiting and in flight: some 130 MB of promises and the like. */
const HELD_OPS = 100_000;
/** How many bytes of keys and values the queue holds, waiting and in flight. */
const HELD_BYTES = 128 * 1024 * 1024;

/** The operations of one store that wait to leave or are in flight. */
export class BatchQueue<T extends Queued> {
  /** How many operations the server takes in one request. */
  readonly maxOps = new LearnedLimit(MOST_OPS);
  /** How many bytes the server takes in one request. */
  readonly maxBytes = new LearnedLimit(MOST_BYTES);
  readonly #mayShare: (op: T) => boolean;
  readonly #lane = new Lane<T>();
  readonly #largeLane = new Lane<T>();
  /** The last batch in the lane of large ones that writes a key. */
  readonly #beside = new Map<string, Held<T>>();
  readonly #room = new Room();
  #turns = 0;
  #heldOps = 0;
  #heldBytes = 0;

  /** An empty queue; `mayShare` is asked when a batch leaves. */
  constructor(mayShare: (op: T) => boolean = () => true) {
    this.#mayShare = mayShare;
  }

  /** How many operations wait or are in flight. */
  get size(): number {
    return this.#heldOps;
  }

  /** Whether any operation waits. */
  get hasWaiting(): boolean {
    return this.#first(this.#lane) !== undefined ||
      this.#first(this.#largeLane) !== undefined;
  }

  /** The operations that wait, each lane's in order. */
  *waiting(): Iterable<T> {
    yield* this.#lane.waiting();
    yield* this.#largeLane.waiting();
  }

  /** Whether there is memory for another operation. */
  hasRoomFor({ holds }: Queued): boolean {
    return this.#heldOps < HELD_OPS &&
      (this.#heldOps === 0 || this.#heldBytes + holds <= HELD_BYTES);
  }

  /** Takes an operation in. */
  push(op: T): void {
    const lane = this.#laneOf(op);
    // What is large leaves after all that came before it, so that must not wait.
    if (lane === this.#largeLane) this.#lane.close();
    let last = lane.last;
    if (last === undefined || last.closed || !this.#joins(op, last)) {
      lane.close();
      last = held<T>([], ++this.#turns);
      lane.append(last);
    }
    last.ops.push(op);
    last.bytes += op.bytes;
    op.waitsIn = last;
    if (op.type !== "get") {
      last.written.add(op.key);
      if (lane === this.#largeLane) this.#beside.set(op.key, last);
    }
    last.closed = op.alone || op.bytes >= LARGE_BYTES ||
      last.ops.length >= this.maxOps.value;
    this.#hold([op], 1);
  }

  /** Takes an operation out again; false if it does not wait any more. */
  remove(op: T): boolean {
    const batch = op.waitsIn as Held<T> | undefined;
    if (batch === undefined) return false;
    batch.ops.splice(batch.ops.indexOf(op), 1);
    batch.bytes -= op.bytes;
    op.waitsIn = undefined;
    this.#hold([op], -1);
    return true;
  }

  /** Puts operations that certainly were not done before all others, to leave together and with nobody else. */
  putBack(ops: readonly T[]): void {
    const [first] = ops;
    if (first === undefined) return;
    this.#hold(ops, 1);
    this.#prepend(this.#laneOf(first), ops);
  }

  /** The batch that leaves now, if any does. */
  next(): Batch<T> | undefined {
    const small = this.#first(this.#lane);
    const large = this.#first(this.#largeLane);
    const isLargeFirst = large && large.turn <= (small?.turn ?? Infinity);
    if (isLargeFirst && this.#room.mayLeave(large, large)) {
      return this.#leave(this.#largeLane, large);
    }
    return small && this.#room.mayLeave(small, small)
      ? this.#leave(this.#lane, small)
      : undefined;
  }

  /** The request of a batch has ended. */
  done(batch: Batch<T>): void {
    this.#room.done(batch);
    this.#hold(batch.ops, -1);
  }

  /** Some time has passed, much longer than a request usually takes. */
  tick(): void {
    this.#room.tick();
  }

  #laneOf({ type, key, bytes }: T): Lane<T> {
    const isBeside = bytes >= LARGE_BYTES ||
      type !== "get" && this.#beside.has(key);
    return isBeside ? this.#largeLane : this.#lane;
  }

  /** The first batch of a lane, without those that everybody has left. */
  #first(lane: Lane<T>): Held<T> | undefined {
    let { first } = lane;
    for (; first?.ops.length === 0; first = lane.first) {
      this.#takeFirst(lane, first);
    }
    return first;
  }

  #takeFirst(lane: Lane<T>, first: Held<T>): void {
    lane.takeFirst();
    if (lane === this.#lane) return;
    for (const key of first.written) {
      if (this.#beside.get(key) === first) this.#beside.delete(key);
    }
  }

  #leave(lane: Lane<T>, batch: Held<T>): Batch<T> {
    this.#takeFirst(lane, batch);
    for (const op of batch.ops) op.waitsIn = undefined;
    this.#shorten(batch, lane);
    this.#room.leave(batch);
    return batch;
  }

  #joins(op: T, { ops, bytes, written }: Held<T>): boolean {
    const first = ops[0];
    if (first === undefined) return true;
    return first.type === op.type && !written.has(op.key) &&
      !op.alone && op.bytes < LARGE_BYTES &&
      bytes + op.bytes <= this.maxBytes.value;
  }

  /** Keeps to what has become known since the batch was gathered. */
  #shorten(batch: Held<T>, lane: Lane<T>): void {
    const { ops } = batch;
    const first = ops[0] as T;
    const most = this.#mayShare(first) ? this.maxOps.value : 1;
    let count = 1;
    let bytes = first.bytes;
    for (; count < ops.length; count++) {
      const more = bytes + (ops[count]?.bytes ?? 0);
      if (count >= most || more > this.maxBytes.value) break;
      bytes = more;
    }
    if (count < ops.length) this.#prepend(lane, ops.splice(count));
    batch.bytes = bytes;
  }

  #prepend(lane: Lane<T>, ops: readonly T[]): void {
    const batch = held(ops, 0);
    batch.closed = true;
    lane.prepend(batch);
    if (lane === this.#lane) return;
    for (const key of batch.written) {
      if (!this.#beside.has(key)) this.#beside.set(key, batch);
    }
  }

  #hold(ops: readonly T[], sign: 1 | -1): void {
    this.#heldOps += sign * ops.length;
    for (const { holds } of ops) this.#heldBytes += sign * holds;
  }
}
