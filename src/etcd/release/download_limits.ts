/**
 * How much time and space a download may take.
 *
 * @module
 */

/** The bounds of a download. */
export interface DownloadLimits {
  /** Bytes; releases have 20 to 30 MB. */
  readonly maxBytes: number;
  /** How long an answer may take to begin, in milliseconds: look-up of the name, connection, TLS, status. */
  readonly answerMs: number;
  /** The longest pause between two pieces, in milliseconds. */
  readonly stallMs: number;
  /** How long all attempts together may take, in milliseconds. */
  readonly totalMs: number;
  /** How many attempts in a row may bring nothing new. */
  readonly attempts: number;
  /** The first pause between attempts, in milliseconds; later ones double. */
  readonly firstPauseMs: number;
  /** The longest pause between attempts, in milliseconds, also where the server asks for one. */
  readonly maxPauseMs: number;
}

/** The usual bounds: for a release of etcd over an ordinary connection. */
export const DOWNLOAD_LIMITS: DownloadLimits = {
  maxBytes: 256 * 2 ** 20,
  answerMs: 20_000,
  stallMs: 30_000,
  // 25 MB in 30 minutes is 14 kB/s; a slower connection cannot carry a cluster.
  totalMs: 30 * 60_000,
  attempts: 3,
  firstPauseMs: 1_000,
  maxPauseMs: 30_000,
};

/** How much of a download has arrived. */
export interface DownloadProgress {
  /** Bytes that are on disk. */
  readonly receivedBytes: number;
  /** Bytes of the whole file, if the server tells. */
  readonly totalBytes: number | undefined;
}
