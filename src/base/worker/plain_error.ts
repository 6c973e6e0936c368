/**
 * Errors on their way between two parts of the program that share no memory.
 *
 * @module
 */

import { type ExitCode, KatError } from "../errors.ts";

/** An error as plain data. */
export interface PlainError {
  /** Its class. */
  readonly name: string;
  /** Its message. */
  readonly message: string;
  /** Where it was thrown. */
  readonly stack: string | undefined;
  /** What a {@linkcode KatError} says besides; absent for a bug. */
  readonly expected?: Pick<KatError, "hint" | "details" | "exitCode">;
}

/** A {@linkcode KatError} of another part, with its own name and exit code. */
class ForeignKatError extends KatError {
  override readonly exitCode: ExitCode;

  constructor(
    { name, message }: PlainError,
    { hint, details, exitCode }: Pick<
      KatError,
      "hint" | "details" | "exitCode"
    >,
  ) {
    super(message, { hint, details });
    this.name = name;
    this.exitCode = exitCode;
  }
}

/** Makes plain data of anything that was thrown. */
export function toPlainError(error: unknown): PlainError {
  if (!(error instanceof Error)) {
    return { name: "Error", message: String(error), stack: undefined };
  }
  const { name, message, stack } = error;
  if (!(error instanceof KatError)) return { name, message, stack };
  const { hint, details, exitCode } = error;
  return { name, message, stack, expected: { hint, details, exitCode } };
}

/** Makes an error of plain data: a {@linkcode KatError} if it was one. */
export function fromPlainError(plain: PlainError): Error {
  if (plain.expected) return new ForeignKatError(plain, plain.expected);
  const error = new Error(plain.message);
  error.name = plain.name;
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}
