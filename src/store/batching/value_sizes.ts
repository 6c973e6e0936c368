/**
 * How large the answers to gets are likely to be.
 *
 * @module
 */

import type { KV } from "../state_store.ts";
import { LARGE_BYTES } from "./shared_request.ts";

/** About as many bytes an operation takes beside its key and value. */
export const FRAME_BYTES = 16;
/** How much the size of the last answers says of the next. */
const LAST_WEIGHT = 0.2;
/** How many keys with large values are remembered. */
const MOST_LARGE = 1_000;

/** The mean of usual values, and the keys with larger ones. */
export class ValueSizes {
  #mean = FRAME_BYTES;
  /** The sizes of large values, in the order in which they were last seen. */
  readonly #large = new Map<string, number>();

  /** How many bytes the answer for a key is likely to take. */
  expect(key: string): number {
    return this.#large.get(key) ?? this.#mean;
  }

  /** Notes that a key has a value of so many bytes, or none. */
  note(key: string, bytes: number): void {
    this.#large.delete(key);
    if (bytes < LARGE_BYTES) return;
    if (this.#large.size >= MOST_LARGE) {
      const [oldest] = this.#large.keys();
      if (oldest !== undefined) this.#large.delete(oldest);
    }
    this.#large.set(key, bytes);
  }

  /** Learns from the answers to gets, which are in the order of `asked`. Values known to be large say nothing of others. */
  learn(
    asked: readonly { readonly key: string }[],
    found: readonly (KV | undefined)[],
  ): void {
    let [sum, count] = [0, 0];
    for (let index = 0; index < asked.length; index++) {
      const key = asked[index]?.key ?? "";
      const bytes = found[index]?.value.length ?? 0;
      const isKnown = this.#large.has(key);
      if (isKnown || bytes >= LARGE_BYTES) this.note(key, bytes);
      if (isKnown) continue;
      sum += bytes + FRAME_BYTES;
      count += 1;
    }
    if (count > 0) this.#mean += LAST_WEIGHT * (sum / count - this.#mean);
  }
}
