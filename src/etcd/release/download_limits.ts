/**
 * How much time and space a download may take.
 *
 * @module
 */

/** The bounds of a download. */
export interface DownloadLimits {
  /** Bytes; releases have 20 to 30 MB. */
  readonly maxBytes: number;
  /** How long an answer may take to begin, in milliseconds: name, connection, TLS, status. */
  readonly answerMs: number;
  /** How long no byte may come, in milliseconds. */
  readonly stallMs: number;
  /** How long all attempts together may take, in milliseconds. */
  readonly totalMs: number;
  /** Attempts in a row that bring nothing new. */
  readonly attempts: number;
  /** The first pause between attempts, in milliseconds; later ones double. */
  readonly firstPauseMs: number;
  /** The longest pause between attempts, in milliseconds, also where the server asks for one. */
  readonly maxPauseMs: number;
}

/** What is right for a release of etcd over a line that people have. */
export const DOWNLOAD_LIMITS: DownloadLimits = {
  maxBytes: 256 * 2 ** 20,
  answerMs: 20_000,
  stallMs: 30_000,
  // 25 MB in 30 minutes is 14 kB/s; less is no line to run a cluster on.
  totalMs: 30 * 60_000,
  attempts: 3,
  firstPauseMs: 1_000,
  maxPauseMs: 30_000,
};

/** How far a download has come. */
export interface DownloadProgress {
  /** Bytes that are on disk. */
  readonly receivedBytes: number;
  /** Bytes that there will be, if the server says so. */
  readonly totalBytes: number | undefined;
}
