/**
 * Waiting for something that has no event of its own.
 *
 * @module
 */

import { sleep } from "./sleep.ts";

/** Options of {@linkcode eventually}. */
export interface EventuallyOptions {
  /** How long to go on trying, in milliseconds. @default {20000} */
  readonly withinMs?: number;
  /** The pause between two tries, in milliseconds. @default {20} */
  readonly everyMs?: number;
}

/**
 * Repeats `check` until it returns without throwing, and returns its result.
 *
 * @throws what the last try threw, once the time is over.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { withinMs = 20_000, everyMs = 20 }: EventuallyOptions = {},
): Promise<T> {
  const end = performance.now() + withinMs;
  while (true) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(everyMs);
    }
  }
}
