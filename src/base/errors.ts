/**
 * The errors that every room may throw, and the exit code that each one means.
 *
 * What only one room throws stands beside the function that throws it.
 *
 * @module
 */

/** The exit codes of the process. */
export const ExitCode = {
  /** Done, or stopped as asked. */
  ok: 0,
  /** Failed: the message says why. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** A bug: please report it. */
  bug: 70,
  /** `cluster.kat` is wrong (EX_CONFIG); systemd does not restart the agent then. */
  config: 78,
} as const;

/** One of the exit codes in {@linkcode ExitCode}. */
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/** Options of {@linkcode KatError}. */
export interface KatErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown;
  /** What the user can do next, as one sentence. */
  readonly hint?: string | undefined;
  /** Lines from another program that explain more, shown below the message. */
  readonly details?: readonly string[] | undefined;
}

/**
 * An expected failure: the command line prints its message and hint, and no stack.
 *
 * The message has no full stop: what could not be done, a colon, and the reason.
 */
export class KatError extends Error {
  /** What the user can do next. */
  readonly hint: string | undefined;
  /** Lines from another program that explain more. */
  readonly details: readonly string[];
  /** The exit code of a command that ends with this error. */
  readonly exitCode: ExitCode = ExitCode.failed;

  /** An error with a message for the user and, where there is one, a next step. */
  constructor(message: string, options: KatErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = new.target.name;
    this.hint = options.hint;
    this.details = options.details ?? [];
  }
}

/** The command line is wrong. */
export class UsageError extends KatError {
  /** 2. */
  override readonly exitCode: ExitCode = ExitCode.usage;
}

/** The reason of the root signal after SIGTERM, SIGINT or SIGHUP; it is not a failure. */
export class ShutdownRequested extends Error {
  /** The signal that the process received, as `SIGTERM`. */
  readonly signalName: string;

  /** The reason for a stop after the signal `signalName`. */
  constructor(signalName: string) {
    super(`Stopped by ${signalName}`);
    this.name = new.target.name;
    this.signalName = signalName;
  }
}

/** Returns the message of any value that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
