/**
 * Downloads one URL into one file, with pauses between attempts, and checks its
 * SHA-256. The single request is left to `transfer`.
 *
 * @module
 */

import { Deadline } from "../../base/abortable.ts";
import { Backoff } from "../../base/backoff.ts";
import { systemClock } from "../../base/clock.ts";
import { logger } from "../../base/log.ts";
import { DownloadError, NETWORK_HINT } from "./download_error.ts";
import {
  DOWNLOAD_LIMITS,
  type DownloadLimits,
  type DownloadProgress,
} from "./download_limits.ts";
import { PartialFile } from "./partial_file.ts";
import { Transfer } from "./transfer.ts";

/** Options of {@linkcode download}. */
export interface DownloadOptions {
  /** The file to make; it must not exist yet. */
  readonly to: string;
  /** What the file's SHA-256 must be, in lowercase hex. */
  readonly sha256: string;
  /** Called after every piece. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Ends the download; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Bounds other than {@linkcode DOWNLOAD_LIMITS}. */
  readonly limits?: Partial<DownloadLimits> | undefined;
}

/**
 * Downloads `url` into a new file, which is on disk when the promise resolves.
 * If the promise rejects, the file has been removed.
 *
 * @throws {DownloadError} if the URL does not give the file with this SHA-256.
 * @throws {Error} as the file system says, if the file cannot be written.
 */
export async function download(
  url: URL,
  options: DownloadOptions,
): Promise<void> {
  const limits = { ...DOWNLOAD_LIMITS, ...options.limits };
  using inTime = new Deadline(
    limits.totalMs,
    () =>
      new DownloadError(url, {
        reason: `it was not complete after ${limits.totalMs / 1000} s`,
        hint: NETWORK_HINT,
      }),
    [options.signal],
  );
  await using file = await PartialFile.create(options.to);
  const transfer = new Transfer(url, { ...options, limits, file });
  const backoff = new Backoff({
    firstMs: limits.firstPauseMs,
    maxMs: limits.maxPauseMs,
  });
  let best = 0;
  let fruitless = 0;
  while (true) {
    try {
      await transfer.attempt(inTime.signal);
      await file.keep();
      return;
    } catch (error) {
      inTime.signal.throwIfAborted();
      if (!(error instanceof DownloadError) || !error.transient) throw error;
      if (file.size > best) {
        best = file.size;
        fruitless = 0;
        backoff.reset();
      } else {
        fruitless += 1;
      }
      const pauseMs = Math.max(backoff.nextMs(), error.retryAfterMs ?? 0);
      if (fruitless >= limits.attempts || pauseMs > limits.maxPauseMs) {
        throw error;
      }
      logger("etcd").debug("The download is retried", {
        url: error.url,
        reason: error.reason,
        pauseMs: Math.round(pauseMs),
      });
      await systemClock.sleep(pauseMs, { signal: inTime.signal });
    }
  }
}
