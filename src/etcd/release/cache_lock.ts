/**
 * A lock on the cache of releases, so that one agent at a time changes it.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { tryLock } from "../../base/files/lock_own.ts";
import { openOwn } from "../../base/files/open_own.ts";
import { logger } from "../../base/log.ts";

/** The pause between two attempts, in milliseconds; a second agent starts later by at most that. */
const RETRY_MS = 200;

/** Options of {@linkcode lockCache}. */
export interface LockCacheOptions {
  /** Ends the wait; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits for the lock on a file, and makes the file if it is missing. The file
 * is never removed: after a removal two agents could hold the lock at once.
 *
 * Disposing frees the lock. The kernel frees it when the process ends.
 */
export async function lockCache(
  path: string,
  { signal }: LockCacheOptions = {},
): Promise<Disposable> {
  signal?.throwIfAborted();
  const file = await openOwn(path, { write: true, createMode: 0o644 });
  try {
    // It tries repeatedly, because a wait in the kernel cannot be cancelled.
    for (let tries = 0; !await tryLock(file, { path }); tries += 1) {
      if (tries === 0) {
        logger("etcd").info("Waiting for another agent that is fetching etcd", {
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
