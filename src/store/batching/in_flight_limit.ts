/**
 * How much may be in flight at once.
 *
 * @module
 */

import type { SharedRequest } from "./shared_request.ts";

/** How many requests may be in flight before others wait to be joined. */
const PLACES = 4;
/** How many operations may be in flight before closed requests need a place, too. */
const QUICK_OPS = 256;
/** How many bytes may be in flight before closed requests need a place, too; and as many of large ones. */
const QUICK_BYTES = 8 * 1024 * 1024;
/** After so many ticks in flight a request is slow. */
const SLOW_TICKS = 2;
/** How many bytes may be in flight, slow ones included, before large ones wait. */
const LARGE_BYTES_IN_FLIGHT = 32 * 1024 * 1024;
/** How many bytes may be in flight, slow ones included, before all wait. */
const BYTES_IN_FLIGHT = 64 * 1024 * 1024;

/** What is counted of a request; it does not change while the request is in flight. */
type Size = Pick<SharedRequest<unknown>, "size" | "bytes" | "isLarge">;

/**
 * The requests in flight, and whether another may leave.
 *
 * Each takes one of a few places and some of the bytes until it is answered or
 * slow, so that slow requests hold up no others. What is large takes no place,
 * and its bytes are counted apart.
 */
export class InFlightLimit {
  /** The requests that are not slow yet, with their ticks in flight. */
  readonly #quick = new Map<Size, number>();
  #places = PLACES;
  #quickOps = 0;
  #quickBytes = 0;
  #quickLargeBytes = 0;
  /** Slow ones included. */
  #large = 0;
  #bytes = 0;

  /** Whether a request may leave. */
  allows(
    { bytes, isLarge, state }: Pick<
      SharedRequest<unknown>,
      keyof Size | "state"
    >,
  ): boolean {
    if (isLarge) {
      // However large it is, it may leave if no other large one is in flight.
      return this.#large === 0 ||
        this.#quickLargeBytes + bytes <= QUICK_BYTES &&
          this.#bytes + bytes <= LARGE_BYTES_IN_FLIGHT;
    }
    if (this.#bytes > 0 && this.#bytes + bytes > BYTES_IN_FLIGHT) return false;
    if (this.#places > 0) return true;
    // A closed request can gain no more operations, so it need not wait for a place.
    return state === "closed" && this.#quickOps < QUICK_OPS &&
      this.#quickBytes + bytes <= QUICK_BYTES;
  }

  /** Counts a request that leaves. */
  add(request: Size): void {
    this.#quick.set(request, 0);
    this.#countQuick(request, 1);
    this.#bytes += request.bytes;
    if (request.isLarge) this.#large += 1;
  }

  /** Ends the count of a request that was answered or has failed. */
  remove(request: Size): void {
    this.#release(request);
    this.#bytes -= request.bytes;
    if (request.isLarge) this.#large -= 1;
  }

  /** Some time has passed, much longer than a request usually takes. */
  tick(): void {
    for (const [request, ticks] of this.#quick) {
      if (ticks + 1 >= SLOW_TICKS) this.#release(request);
      else this.#quick.set(request, ticks + 1);
    }
  }

  /** Gives place and bytes of a request back, once. */
  #release(request: Size): void {
    if (this.#quick.delete(request)) this.#countQuick(request, -1);
  }

  #countQuick({ size, bytes, isLarge }: Size, sign: 1 | -1): void {
    if (isLarge) {
      this.#quickLargeBytes += sign * bytes;
    } else {
      this.#places -= sign;
      this.#quickOps += sign * size;
      this.#quickBytes += sign * bytes;
    }
  }
}
