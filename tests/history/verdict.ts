/**
 * What a checker says.
 *
 * @module
 */

/** Something that must not be. */
export interface Violation {
  /** What is wrong, with keys, values and revisions. */
  readonly message: string;
  /** The operations it shows in, by ID. */
  readonly operations: readonly string[];
}

/** What a checker found in a whole history. */
export interface Verdict {
  /** What is wrong; a checker may stop at one for each key or watcher. */
  readonly violations: readonly Violation[];
  /** How many things could not be decided: never the same as "in order". */
  readonly undecided: number;
  /** How many things were checked. */
  readonly checked: number;
  /** Why the history shows nothing about this, as a run without a single attempt. */
  readonly void?: string | undefined;
  /** Figures for the report. */
  readonly figures?: Readonly<Record<string, number>>;
}

/** Collects what a checker finds. */
export class Findings {
  readonly #violations: Violation[] = [];
  /** What was checked so far. */
  checked = 0;
  /** What could not be decided so far. */
  undecided = 0;

  /** Adds a violation. */
  add(message: string, ...operations: readonly string[]): void {
    this.#violations.push({ message, operations });
  }

  /** The verdict. */
  verdict(
    extra: Pick<Verdict, "void" | "figures"> = {},
  ): Verdict {
    return {
      violations: this.#violations,
      undecided: this.undecided,
      checked: this.checked,
      ...extra,
    };
  }
}
