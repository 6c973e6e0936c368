/**
 * A lock on the cache of releases, so that one agent at a time changes it.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { tryLock } from "../../base/files/lock_own.ts";
import { openOwn } from "../../base/files/open_own.ts";
import { settleOwn } from "../../base/files/write_own.ts";
import { logger } from "../../base/log.ts";

/** The pause between two attempts, in milliseconds; a second agent starts later by at most that. */
const RETRY_MS = 200;

/** Version 0.1.0 let others read it. */
const MODE = 0o600;

/** Options of {@linkcode lockCache}. */
export interface LockCacheOptions {
  /** Ends the wait; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits for the lock on a file, and makes the file if it is missing. The file
 * is never removed: after a removal two agents could hold the lock at once. Nobody
 * else may open it: who can read a file can lock it.
 *
 * Disposing frees the lock. The kernel frees it when the process ends.
 */
export async function lockCache(
  path: string,
  { signal }: LockCacheOptions = {},
): Promise<Disposable> {
  signal?.throwIfAborted();
  const file = await openOwn(path, { write: true, createMode: MODE });
  try {
    const { mode } = await file.stat();
    if (mode !== null && (mode & 0o777) !== MODE) {
      await settleOwn(path, { mode: MODE });
    }
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
