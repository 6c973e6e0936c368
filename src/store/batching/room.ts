/**
 * How much may be in flight at once: the half of the rules of shared requests
 * that looks at what has left.
 *
 * @module
 */

import { type Batch, isLarge, type Queued } from "./lane.ts";

/** How many requests may be in flight before others wait for company. */
const PLACES = 4;
/** How many operations may be in flight before closed batches need a place, too. */
const ROOM_OPS = 256;
/** How many bytes may be in flight before closed batches need a place, too; and as many of large ones. */
const ROOM_BYTES = 8 * 1024 * 1024;
/** After so many ticks in flight a request is slow. */
const SLOW_TICKS = 2;
/** How many bytes may be in flight, slow ones too, before large ones wait. */
const LARGE_FLYING_BYTES = 32 * 1024 * 1024;
/** How many bytes may be in flight, slow ones too, before all wait. */
const FLYING_BYTES = 64 * 1024 * 1024;

/** What is in flight, and whether more may be. */
export class Room {
  /** How often time has passed for each that is not slow yet. */
  readonly #quick = new Map<Batch<Queued>, number>();
  #places = PLACES;
  #quickOps = 0;
  #quickBytes = 0;
  #quickLargeBytes = 0;
  #flyingLarge = 0;
  #flyingBytes = 0;

  /** Whether a batch may leave; one that nobody can join any more is `closed`. */
  mayLeave(
    batch: Batch<Queued>,
    { closed }: { readonly closed: boolean },
  ): boolean {
    const { bytes } = batch;
    const flying = this.#flyingBytes + bytes;
    if (isLarge(batch)) {
      // However huge it is, it may leave if no other is in flight.
      return this.#flyingLarge === 0 ||
        this.#quickLargeBytes + bytes <= ROOM_BYTES &&
          flying <= LARGE_FLYING_BYTES;
    }
    if (flying > FLYING_BYTES && this.#flyingBytes > 0) return false;
    if (this.#places > 0) return true;
    return closed && this.#quickOps < ROOM_OPS &&
      this.#quickBytes + bytes <= ROOM_BYTES;
  }

  /** A batch leaves. */
  leave(batch: Batch<Queued>): void {
    this.#quick.set(batch, 0);
    this.#count(batch, 1);
    if (isLarge(batch)) this.#flyingLarge += 1;
    this.#flyingBytes += batch.bytes;
  }

  /** The request of a batch has ended. */
  done(batch: Batch<Queued>): void {
    this.#free(batch);
    if (isLarge(batch)) this.#flyingLarge -= 1;
    this.#flyingBytes -= batch.bytes;
  }

  /** Some time has passed, much longer than a request usually takes. */
  tick(): void {
    for (const [batch, ticks] of this.#quick) {
      if (ticks + 1 >= SLOW_TICKS) this.#free(batch);
      else this.#quick.set(batch, ticks + 1);
    }
  }

  /** Gives place and room of a batch back. */
  #free(batch: Batch<Queued>): void {
    if (this.#quick.delete(batch)) this.#count(batch, -1);
  }

  #count(batch: Batch<Queued>, sign: 1 | -1): void {
    const { ops: { length }, bytes } = batch;
    if (isLarge(batch)) {
      // It is in nobody's way: it moves beside the others.
      this.#quickLargeBytes += sign * bytes;
    } else {
      this.#places -= sign;
      this.#quickOps += sign * length;
      this.#quickBytes += sign * bytes;
    }
  }
}
