/**
 * What is wrong in a `cluster.kat`: every problem at once, each with its place.
 *
 * @module
 */

import { ExitCode, KatError, type KatErrorOptions } from "../base/errors.ts";
import { escapeControls } from "../base/escape_controls.ts";

/** The path of a problem that belongs to no field. */
export const WHOLE_FILE = "(file)";

/** One thing that is wrong in a configuration file. */
export interface ConfigProblem {
  /** The file's name, as it was given. */
  readonly file: string;
  /** The line, from 1; 0 when the file could not be read at all. */
  readonly line: number;
  /** The column in characters, from 1; 0 when the file could not be read at all. */
  readonly column: number;
  /** The field, as `spec.apiPort`, or {@linkcode WHOLE_FILE}. */
  readonly path: string;
  /** What was found and what is wanted. */
  readonly message: string;
}

/** `cluster.kat` is wrong. The message has one line for each problem. */
export class ConfigError extends KatError {
  /** 78: a restart with the same file would fail the same way. */
  override readonly exitCode: ExitCode = ExitCode.config;
  /** Every problem of the file, in the order of their places; at least one. */
  readonly problems: readonly ConfigProblem[];

  /** An error that tells all of `problems`. */
  constructor(
    problems: readonly ConfigProblem[],
    options: KatErrorOptions = {},
  ) {
    super(problems.map(formatProblem).join("\n"), options);
    this.problems = problems;
  }
}

/** `FILE:LINE:COLUMN: PATH: message` on one line; without a place, `FILE: message`. */
function formatProblem(problem: ConfigProblem): string {
  const { file, line, column, path, message } = problem;
  return escapeControls(
    line === 0
      ? `${file}: ${message}`
      : `${file}:${line}:${column}: ${path}: ${message}`,
  );
}
