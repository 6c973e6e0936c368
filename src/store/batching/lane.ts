/**
 * A line in which operations wait, gathered in batches.
 *
 * @module
 */

import type { Op } from "../state_store.ts";

/** An operation of this many bytes leaves alone. */
export const LARGE_BYTES = 64 * 1024;

/** What a queue has to know of an operation. */
export interface Queued {
  /** The key. */
  readonly key: string;
  /** Operations of different types do not leave together. */
  readonly type: Op["type"];
  /** How many bytes it takes, in whichever direction it takes more. */
  readonly bytes: number;
  /** How many bytes it holds while it waits. */
  readonly holds: number;
  /** It must leave alone. */
  readonly alone: boolean;
  /** The batch in which it waits. The queue alone sets it. */
  waitsIn?: Batch<Queued> | undefined;
}

/** Operations that leave together. */
export interface Batch<T extends Queued> {
  /** In the order in which they came. */
  readonly ops: T[];
  /** The sum of theirs. */
  bytes: number;
}

/** A batch with what only its queue knows of it. */
export interface Held<T extends Queued> extends Batch<T> {
  /** Its place among the batches of all lanes; 0 is before all others. */
  readonly turn: number;
  /** The keys that it writes, or was to write. */
  readonly written: Set<string>;
  /** Nothing joins it any more. */
  closed: boolean;
}

/** Batches in the order in which they leave. */
export class Lane<T extends Queued> {
  #batches: (Held<T> | undefined)[] = [];
  /** How many at the beginning have left: taking one must not move all others. */
  #gone = 0;

  /** The batch that leaves next. */
  get first(): Held<T> | undefined {
    return this.#batches[this.#gone];
  }

  /** The only batch that something may join. */
  get last(): Held<T> | undefined {
    return this.#gone < this.#batches.length ? this.#batches.at(-1) : undefined;
  }

  /** Lets nothing join any more. */
  close(): void {
    if (this.last) this.last.closed = true;
  }

  /** Takes the first batch out. */
  takeFirst(): void {
    this.#batches[this.#gone++] = undefined;
    if (this.#gone * 2 <= this.#batches.length) return;
    this.#batches.splice(0, this.#gone);
    this.#gone = 0;
  }

  /** Puts a batch behind all others. */
  append(batch: Held<T>): void {
    this.#batches.push(batch);
  }

  /** Puts a batch before all others. */
  prepend(batch: Held<T>): void {
    if (this.#gone > 0) this.#batches[--this.#gone] = batch;
    else this.#batches.unshift(batch);
  }

  /** The operations that wait, in order. */
  *waiting(): Iterable<T> {
    for (let index = this.#gone; index < this.#batches.length; index++) {
      yield* this.#batches[index]?.ops ?? [];
    }
  }
}

/** A batch of `ops`, in this order. */
export function held<T extends Queued>(
  ops: readonly T[],
  turn: number,
): Held<T> {
  const batch: Held<T> = {
    ops: [...ops],
    bytes: 0,
    turn,
    written: new Set(),
    closed: false,
  };
  for (const op of ops) {
    op.waitsIn = batch;
    batch.bytes += op.bytes;
    if (op.type !== "get") batch.written.add(op.key);
  }
  return batch;
}

/** Whether a batch is one large operation. */
export function isLarge({ ops: { length }, bytes }: Batch<Queued>): boolean {
  return length === 1 && bytes >= LARGE_BYTES;
}
