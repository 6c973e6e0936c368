/**
 * Shows the progress of a download: as a bar on a terminal, else as a log line
 * every few seconds.
 *
 * @module
 */

import { type Clock, systemClock } from "../../base/clock.ts";
import { logger } from "../../base/log.ts";
import type { DownloadProgress } from "./download_limits.ts";

/** Options of {@linkcode showProgress}. */
export interface ShowProgressOptions {
  /** Writes to the terminal; absent if there is none, then the log tells. */
  readonly write?: ((text: string) => void) | undefined;
  /** The width of the terminal. @default {80} */
  readonly columns?: number | undefined;
  /** For tests. */
  readonly clock?: Clock | undefined;
}

/** What shows a download. */
export interface ProgressView extends Disposable {
  /** Shows the progress; fast enough to be called for every piece. */
  readonly update: (progress: DownloadProgress) => void;
}

/** The bar is drawn 10 times a second at most. */
const BAR_EVERY_MS = 100;
/** While bytes come, a log line follows after this time, in milliseconds. */
const LINE_EVERY_MS = 5_000;
/** A log line also follows after this part of the whole. */
const LINE_EVERY_PERCENT = 10;
/** The most cells of the bar. */
const MAX_BAR = 40;
/** The width of the text beside the bar: "etcd  ", brackets, " 100 %  24.0 of 24.0 MB". */
const BESIDE_BAR = 32;
const CLEAR_LINE = "\r\x1b[K";

/** Starts to show a download; disposing removes the bar from the terminal. */
export function showProgress(
  { write, columns = 80, clock = systemClock }: ShowProgressOptions = {},
): ProgressView {
  return write === undefined ? lines(clock) : bar(write, { columns, clock });
}

/** The progress in a few words, for systemd's status line. */
export function progressText(
  { receivedBytes, totalBytes }: DownloadProgress,
): string {
  return totalBytes
    ? `fetching etcd: ${Math.floor(receivedBytes / totalBytes * 100)} %`
    : `fetching etcd: ${megabytes(receivedBytes)} MB`;
}

function bar(
  write: (text: string) => void,
  { columns, clock }: { readonly columns: number; readonly clock: Clock },
): ProgressView {
  const width = Math.max(0, Math.min(MAX_BAR, columns - BESIDE_BAR));
  let drawnMs = -Infinity;
  let drawn = false;
  return {
    update(progress) {
      const nowMs = clock.nowMs();
      const done = progress.receivedBytes === progress.totalBytes;
      if (nowMs - drawnMs < BAR_EVERY_MS && !done) return;
      drawnMs = nowMs;
      drawn = true;
      write(CLEAR_LINE + barText(progress, width));
    },
    [Symbol.dispose]() {
      if (drawn) write(CLEAR_LINE);
      drawn = false;
    },
  };
}

function barText(
  { receivedBytes, totalBytes }: DownloadProgress,
  width: number,
): string {
  if (!totalBytes) return `etcd  ${megabytes(receivedBytes)} MB`;
  const part = Math.min(1, receivedBytes / totalBytes);
  const filled = Math.round(part * width);
  const cells = "#".repeat(filled) + "-".repeat(width - filled);
  const percent = String(Math.floor(part * 100)).padStart(3);
  return `etcd  [${cells}] ${percent} %  ${megabytes(receivedBytes)} of ${
    megabytes(totalBytes)
  } MB`;
}

function lines(clock: Clock): ProgressView {
  const log = logger("etcd");
  let saidMs = clock.nowMs();
  let saidPercent = 0;
  return {
    update({ receivedBytes, totalBytes }) {
      const nowMs = clock.nowMs();
      const percent = totalBytes
        ? Math.floor(receivedBytes / totalBytes * 100)
        : undefined;
      const isFurther = percent !== undefined &&
        percent >= saidPercent + LINE_EVERY_PERCENT;
      if (!isFurther && nowMs - saidMs < LINE_EVERY_MS) return;
      saidMs = nowMs;
      saidPercent = (percent ?? 0) - (percent ?? 0) % LINE_EVERY_PERCENT;
      log.info("Still fetching etcd", {
        percent,
        received: `${megabytes(receivedBytes)} MB`,
      });
    },
    [Symbol.dispose]() {},
  };
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
