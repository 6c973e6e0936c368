/**
 * Collects the problems of one file and turns offsets into lines and columns.
 *
 * @module
 */

import { ConfigError, type ConfigProblem, WHOLE_FILE } from "./config_error.ts";

/** How many problems of one file are shown; a file with more is not a `cluster.kat` at all. */
const MAX_PROBLEMS = 100;

/** A place in the file. */
export interface Place {
  /** Characters (UTF-16) from the start of the text. */
  readonly offset: number;
  /** The field, as `spec.apiPort`. */
  readonly path: string;
}

/** The problems found so far in one text. */
export class ProblemList {
  readonly #file: string;
  readonly #text: string;
  readonly #lineStarts: readonly number[];
  readonly #lines = new Set<number>();
  readonly #found: { readonly place: Place; readonly message: string }[] = [];

  /** An empty list for `text`, which came from `file`. */
  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
    const starts = [0];
    for (const { index } of text.matchAll(/\n/g)) starts.push(index + 1);
    this.#lineStarts = starts;
  }

  /** Adds a problem. */
  report(place: Place, message: string): void {
    this.#found.push({ place, message });
    this.#lines.add(this.#lineOf(place.offset));
  }

  /** Whether a problem was reported for the line that holds `offset`. */
  hasOnLineOf(offset: number): boolean {
    return this.#lines.has(this.#lineOf(offset));
  }

  /**
   * Ends the reading if there are problems.
   *
   * @throws {ConfigError} with all of them.
   */
  throwIfAny(): void {
    if (this.#found.length === 0) return;
    const problems = this.#found
      .toSorted((a, b) => a.place.offset - b.place.offset)
      .map(({ place, message }) => this.#locate(place, message));
    const last = problems[MAX_PROBLEMS - 1];
    if (last === undefined || problems.length === MAX_PROBLEMS) {
      throw new ConfigError(problems);
    }
    throw new ConfigError([...problems.slice(0, MAX_PROBLEMS), {
      ...last,
      path: WHOLE_FILE,
      message: `${problems.length - MAX_PROBLEMS} more problems follow`,
    }]);
  }

  #locate({ offset, path }: Place, message: string): ConfigProblem {
    const line = this.#lineOf(offset);
    const start = this.#lineStarts[line - 1] ?? 0;
    const column = [...this.#text.slice(start, offset)].length + 1;
    return { file: this.#file, line, column, path, message };
  }

  /** The line that holds `offset`, from 1. */
  #lineOf(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }
}
