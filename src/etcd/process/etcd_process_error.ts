/**
 * What is thrown when etcd does not start, does not serve, or ends by itself.
 *
 * @module
 */

import { KatError } from "../../base/errors.ts";

/** How a process ended: one of the two is set; neither of one that is not our child. */
export interface EtcdExit {
  /** Its exit code. */
  readonly code: number | null;
  /** The signal that ended it, as `SIGKILL`. */
  readonly signal: string | null;
}

/**
 * What is wrong, as far as it was recognised. `damaged` and `wrong-cluster`
 * will not go away by starting again, and starting again may make them worse.
 */
export type EtcdFailure =
  | "port-taken"
  | "address-missing"
  | "locked"
  | "no-space"
  | "read-only"
  | "no-permission"
  | "damaged"
  | "wrong-flag"
  | "wrong-cluster"
  | "newer-data"
  | "deadline"
  | "unknown";

/** Options of {@linkcode EtcdProcessError}. */
export interface EtcdProcessErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown;
  /** What the user can do next, as one sentence. */
  readonly hint: string;
  /** What is wrong. */
  readonly failure: EtcdFailure;
  /** That in words, a clause to follow "etcd keeps ending:". */
  readonly why: string;
  /** How etcd ended, if it did. */
  readonly etcdExit?: EtcdExit | undefined;
  /** The last lines of its log. */
  readonly lastLines: readonly string[];
}

/** What a person wants of one line of etcd's log, which is JSON or, of a panic, plain text. */
function plainLine(line: string): string {
  // A line that was cut off in its middle is no JSON any more; its first fields stand.
  const field = (name: string) =>
    new RegExp(`"${name}":"((?:[^"\\\\]|\\\\.)*)"`).exec(line)?.[1];
  const message = field("msg");
  if (!line.startsWith("{") || message === undefined) return line;
  const error = field("error");
  return `${field("level")}: ${message}${
    error === undefined ? "" : `: ${error}`
  }`;
}

/** etcd did not start, or ended by itself. */
export class EtcdProcessError extends KatError {
  /** What is wrong, as far as it was recognised. */
  readonly failure: EtcdFailure;
  /** That in words, a clause. */
  readonly why: string;
  /** How etcd ended; undefined if it runs on, or never ran. */
  readonly etcdExit: EtcdExit | undefined;
  /** The last lines that this start wrote to etcd's log, oldest first, each at most 500 characters. */
  readonly lastLines: readonly string[];

  /** An error with what etcd left behind. */
  constructor(message: string, options: EtcdProcessErrorOptions) {
    super(message, { ...options, details: options.lastLines.map(plainLine) });
    this.failure = options.failure;
    this.why = options.why;
    this.etcdExit = options.etcdExit;
    this.lastLines = options.lastLines;
  }
}
