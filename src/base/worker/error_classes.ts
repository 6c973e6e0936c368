/**
 * Errors on their way between two threads, which share no memory: an error
 * arrives with its class, so that `instanceof` works on the other side.
 *
 * @module
 */

import { KatError, ShutdownRequested, UsageError } from "../errors.ts";

/**
 * Classes of errors by a name that both threads know. What they hold is plain
 * data in public fields: an error is put together again without its constructor.
 */
export type ErrorClasses = Readonly<
  Record<string, abstract new (...args: never[]) => Error>
>;

/** An error as plain data. */
export interface PlainError {
  /** The name under which its class is known; none for a bug. */
  readonly className: string | undefined;
  /** Its message. */
  readonly message: string;
  /** Where it was thrown. */
  readonly stack: string | undefined;
  /** Its own fields, `name` among them. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What every thread knows. */
const BASE_CLASSES: ErrorClasses = { KatError, ShutdownRequested, UsageError };

/**
 * Makes plain data of anything that was thrown. A class that is not known is
 * sent as the nearest one that it extends.
 */
export function toPlainError(
  error: unknown,
  classes: ErrorClasses = {},
): PlainError {
  if (!(error instanceof Error)) {
    const fields = { name: "Error" };
    const message = String(error);
    return { className: undefined, message, stack: undefined, fields };
  }
  const { name, message, stack } = error;
  const className = nameOfClass(error, { ...BASE_CLASSES, ...classes });
  return {
    className,
    message,
    stack,
    // Of an unknown class not even the names of the fields are known.
    fields: className === undefined ? { name } : plainFields(error),
  };
}

/** Makes an error of plain data, of the class that it had; of none, if that is not known. */
export function fromPlainError(
  { className, message, stack, fields }: PlainError,
  classes: ErrorClasses = {},
): Error {
  const error = new Error(message);
  const known = { ...BASE_CLASSES, ...classes };
  const errorClass = className !== undefined && Object.hasOwn(known, className)
    ? known[className]
    : undefined;
  if (errorClass) Object.setPrototypeOf(error, errorClass.prototype);
  if (stack !== undefined) error.stack = stack;
  for (const [name, value] of Object.entries(fields)) {
    Object.defineProperty(error, name, {
      value,
      configurable: true,
      enumerable: errorClass !== undefined,
      writable: true,
    });
  }
  return error;
}

function nameOfClass(error: Error, classes: ErrorClasses): string | undefined {
  const names = new Map<unknown, string>(
    Object.entries(classes).map(([name, one]) => [one.prototype, name]),
  );
  let prototype: unknown = Object.getPrototypeOf(error);
  while (prototype !== null) {
    const name = names.get(prototype);
    if (name !== undefined) return name;
    prototype = Object.getPrototypeOf(prototype);
  }
  return undefined;
}

function plainFields(error: Error): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(error).filter(([, value]) => isPlain(value)),
  );
}

function isPlain(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
