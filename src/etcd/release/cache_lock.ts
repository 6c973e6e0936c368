/**
 * One agent at a time changes the cache.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { logger } from "../../base/log.ts";

/** The pause between two tries, in milliseconds: what a second agent starts later by. */
const RETRY_MS = 200;

/** Options of {@linkcode lockCache}. */
export interface LockCacheOptions {
  /** Ends the waiting; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits for the lock on a file, which is made if need be and never removed:
 * whoever removes a lock file can give the lock to two.
 *
 * Disposing frees it. The kernel frees it when its holder dies.
 */
export async function lockCache(
  path: string,
  { signal }: LockCacheOptions = {},
): Promise<Disposable> {
  signal?.throwIfAborted();
  const file = await Deno.open(path, { write: true, create: true });
  try {
    // Asking again and again, because waiting in the kernel cannot be ended.
    for (let tries = 0; !await file.tryLock(true); tries += 1) {
      if (tries === 0) {
        logger("etcd").info("Waiting for another agent that fetches etcd", {
          lock: path,
        });
      }
      await systemClock.sleep(RETRY_MS, { signal });
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return { [Symbol.dispose]: () => file.close() };
}
