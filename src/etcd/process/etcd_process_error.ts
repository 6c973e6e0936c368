/**
 * The error for an etcd that does not start, does not serve, or ends by itself.
 *
 * @module
 */

import { KatError } from "../../base/errors.ts";

/** How a process ended: one of the two is set; both are null if it was adopted, and no child of this agent. */
export interface EtcdExit {
  /** Its exit code. */
  readonly code: number | null;
  /** The signal that ended it, as `SIGKILL`. */
  readonly signal: string | null;
}

/**
 * What is wrong, as far as it was recognised. Another start cannot fix `damaged`
 * or `wrong-cluster`, and may make them worse. `data-lost` is a member that its
 * cluster has had with data, and that has none; `removed` one that its cluster
 * no longer has.
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
  | "data-lost"
  | "removed"
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
  /** The same in words, as a clause to follow "etcd keeps ending:". */
  readonly why: string;
  /** How etcd ended, if it did. */
  readonly etcdExit?: EtcdExit | undefined;
  /** The last lines of its log. */
  readonly lastLines: readonly string[];
}

/** The level, message and error of one line of etcd's log; it is JSON, or plain text in a panic. */
function plainLine(line: string): string {
  // Not parsed as JSON, so that it also reads the first fields of a cut line.
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
  /** The same in words, as a clause. */
  readonly why: string;
  /** How etcd ended; undefined if it is still running, or never ran. */
  readonly etcdExit: EtcdExit | undefined;
  /** The last lines that this start wrote to etcd's log, oldest first, each at most 500 characters. */
  readonly lastLines: readonly string[];

  /** An error that shows the last lines of etcd's log. */
  constructor(message: string, options: EtcdProcessErrorOptions) {
    super(message, { ...options, details: options.lastLines.map(plainLine) });
    this.failure = options.failure;
    this.why = options.why;
    this.etcdExit = options.etcdExit;
    this.lastLines = options.lastLines;
  }
}
