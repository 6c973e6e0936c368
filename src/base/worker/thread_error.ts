/**
 * What becomes of a thread that does what none of ours does.
 *
 * @module
 */

import { KatError } from "../errors.ts";

/** Options of {@linkcode ThreadError}. */
export interface ThreadErrorOptions {
  /** The thread, if it is known already. */
  readonly thread?: string | undefined;
  /** The error that showed it. */
  readonly cause?: unknown;
}

/**
 * A thread of the agent did what none does that runs our code as it is. It is
 * ended, and the agent with it.
 */
export class ThreadError extends KatError {
  /** What it did, as the end of a sentence. */
  readonly what: string;

  /** An error that says what the thread did. */
  constructor(what: string, { thread, cause }: ThreadErrorOptions = {}) {
    super(
      `Cannot go on: ${thread ? `the ${thread} thread` : "a thread"} ${what}`,
      {
        cause,
        hint:
          "Start the agent again; if it happens again, compare the agent's file with the released one, and report it",
      },
    );
    this.what = what;
  }
}
