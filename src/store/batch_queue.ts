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
 * @module
 */

import { LearnedLimit } from "./learned_limit.ts";
import type { Op } from "./state_store.ts";

/** What a queue has to know of an operation. */
export interface Queued {
  /** The key. */
  readonly key: string;
  /** Operations of different types do not leave together. */
  readonly type: Op["type"];
  /** How many bytes it takes, in whichever direction it takes more. */
  readonly bytes: number;
  /** It must leave alone. */
  readonly alone: boolean;
}

/** Operations that leave together. */
export interface Batch<T extends Queued> {
  /** In the order in which they came. */
  readonly ops: T[];
  /** The sum of theirs. */
  bytes: number;
}

/** A batch with what only the queue knows of it. */
interface Held<T extends Queued> extends Batch<T> {
  /** The keys that it writes. */
  readonly written: Set<string>;
  closed: boolean;
  /** How many ticks it has been in flight; from {@linkcode SLOW_TICKS} on it is slow. */
  ticks: number;
}

/** The most operations that gain anything by leaving together. */
const MOST_OPS = 128;
/** The most bytes in a batch. Longer ones are cheap for each byte already, and hold others up. */
const MOST_BYTES = 512 * 1024;
/** An operation of this many bytes leaves alone. */
const LARGE_BYTES = 64 * 1024;
/** How many requests may be in flight before others wait for company. */
const PLACES = 4;
/** How many operations may be in flight before closed batches need a place, too. */
const ROOM_OPS = 256;
/** How many bytes may be in flight before closed batches need a place, too. */
const ROOM_BYTES = 8 * 1024 * 1024;
/** After so many ticks in flight a request is slow. */
const SLOW_TICKS = 2;

/** Operations of one store that wait to leave. */
export class BatchQueue<T extends Queued> {
  /** How many operations the server takes in one request. */
  readonly maxOps = new LearnedLimit(MOST_OPS);
  /** How many bytes the server takes in one request. */
  readonly maxBytes = new LearnedLimit(MOST_BYTES);
  #waiting: Held<T>[] = [];
  readonly #quick = new Set<Held<T>>();
  #places = PLACES;
  #ops = 0;
  #bytes = 0;

  /** Whether any operation waits. */
  get hasWaiting(): boolean {
    return this.#waiting.some(({ ops }) => ops.length > 0);
  }

  /** The operations that wait, in order. */
  *waiting(): Iterable<T> {
    for (const { ops } of this.#waiting) yield* ops;
  }

  /** Takes an operation in. */
  push(op: T): void {
    let last = this.#waiting.at(-1);
    if (last === undefined || last.closed || !this.#joins(op, last)) {
      if (last) last.closed = true;
      last = held();
      this.#waiting.push(last);
    }
    last.ops.push(op);
    last.bytes += op.bytes;
    if (op.type !== "get") last.written.add(op.key);
    last.closed = op.alone || op.bytes >= LARGE_BYTES ||
      last.ops.length >= this.maxOps.value;
  }

  /** Takes an operation out again; false if it does not wait any more. */
  remove(op: T): boolean {
    for (const batch of this.#waiting) {
      const index = batch.ops.indexOf(op);
      if (index < 0) continue;
      batch.ops.splice(index, 1);
      batch.bytes -= op.bytes;
      batch.written.delete(op.key);
      return true;
    }
    return false;
  }

  /** Puts operations that certainly were not done before all others, to leave together and with nobody else. */
  putBack(ops: readonly T[]): void {
    const batch = held(ops);
    batch.closed = true;
    this.#waiting.unshift(batch);
  }

  /** The batch that leaves now, if any does. */
  next(): Batch<T> | undefined {
    this.#dropEmpty();
    const first = this.#waiting[0];
    if (first === undefined || !this.#mayLeave(first)) return undefined;
    this.#waiting.shift();
    this.#shorten(first);
    this.#quick.add(first);
    this.#count(first, 1);
    return first;
  }

  /** The request of a batch has ended. */
  done(batch: Batch<T>): void {
    if (this.#quick.delete(batch as Held<T>)) this.#count(batch, -1);
  }

  /** Some time has passed, much longer than a request usually takes. */
  tick(): void {
    for (const batch of this.#quick) {
      if (++batch.ticks >= SLOW_TICKS) this.done(batch);
    }
  }

  #joins(op: T, { ops, bytes, written }: Held<T>): boolean {
    const first = ops[0];
    if (first === undefined) return true;
    return first.type === op.type && !written.has(op.key) &&
      !op.alone && op.bytes < LARGE_BYTES &&
      bytes + op.bytes <= this.maxBytes.value;
  }

  #mayLeave({ closed, bytes }: Held<T>): boolean {
    if (this.#places > 0) return true;
    return closed && this.#ops < ROOM_OPS && this.#bytes + bytes <= ROOM_BYTES;
  }

  /** Keeps to what the limits have become since the batch was gathered. */
  #shorten(batch: Held<T>): void {
    const { ops } = batch;
    let count = 1;
    let bytes = ops[0]?.bytes ?? 0;
    for (; count < ops.length; count++) {
      const more = bytes + (ops[count]?.bytes ?? 0);
      if (count >= this.maxOps.value || more > this.maxBytes.value) break;
      bytes = more;
    }
    if (count < ops.length) this.putBack(ops.splice(count));
    batch.bytes = bytes;
  }

  #count({ ops: { length }, bytes }: Batch<T>, sign: 1 | -1): void {
    // A large one is in nobody's way: it moves beside the others.
    if (bytes < LARGE_BYTES || length > 1) this.#places -= sign;
    this.#ops += sign * length;
    this.#bytes += sign * bytes;
  }

  #dropEmpty(): void {
    while (this.#waiting[0]?.ops.length === 0) this.#waiting.shift();
  }
}

function held<T extends Queued>(ops: readonly T[] = []): Held<T> {
  return {
    ops: [...ops],
    bytes: ops.reduce((sum, op) => sum + op.bytes, 0),
    written: new Set(
      ops.filter(({ type }) => type !== "get").map(({ key }) => key),
    ),
    closed: false,
    ticks: 0,
  };
}
