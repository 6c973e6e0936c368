/**
 * What a command of kat-agent is.
 *
 * @module
 */

import type { Parser } from "@optique/core/parser";
import type { ExitCode } from "../base/errors.ts";

/** What a command may use of the process. */
export interface Context {
  /** The environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Writes lines of a result; control characters in them are escaped. Rejects if
   * the reader has ended, or has not read in time when the program is to stop.
   */
  readonly stdout: (text: string) => Promise<void>;
  /** Writes a result's bytes as they are, but to a terminal as `stdout` does. */
  readonly stdoutBytes: (bytes: Uint8Array) => Promise<void>;
  /** Writes to a terminal for people, past the log; absent where stderr is none. */
  readonly terminal: ((text: string) => void) | undefined;
  /** Aborts with a `ShutdownRequested` when the program is to stop. */
  readonly signal: AbortSignal;
}

/** One command, or a group of them. */
export interface Command {
  /** The word on the command line. */
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What it does and how it ends, for its own help. */
  readonly description: string;
  /** Lines to type, each with what it does. */
  readonly examples: readonly string[];
  /** Its arguments, which give what to run; a group's are its commands. */
  readonly parser: Parser<"sync", Action> | readonly Command[];
}

/** A command with its arguments, ready to run. */
export type Action = (context: Context) => Promise<ExitCode>;
