/**
 * What a measurement found: the figures of each peer in each round, which columns show
 * it, and what it was meant to come to.
 *
 * The rounds themselves are kept, so that a report can be read anew.
 *
 * @module
 */

import type { GoPrograms } from "./peers/go_programs.ts";

/** One line of a table: what one of those measured came to in one case. */
export interface Row {
  /** What was done, as `put, 64 callers`; the first row of a case is compared with the others. */
  readonly what: string;
  /** The program that did it. */
  readonly peer: string;
  /** The numbers by name: one for each round, or all that there were. */
  readonly figures: Readonly<Record<string, readonly number[]>>;
}

/** One column of a table. */
export interface Column {
  /** Its heading, with the unit. */
  readonly title: string;
  /** Which of the figures it shows. */
  readonly figure: string;
  /** How many digits after the point. */
  readonly digits: number;
  /**
   * What it makes of them; a ratio is that of the case's first row to this row,
   * round by round, with the lowest and the highest. @default {"median"}
   */
  readonly as?: "median" | "spread" | "p50" | "p99" | "ratio" | "difference";
}

/** An aim of a measurement. */
export interface Aim {
  /** What is compared with what. */
  readonly what: string;
  /** On which side of the bound it should be. */
  readonly relation: "≥" | "≤";
  /** The bound. */
  readonly bound: number;
  /** Its unit, as `×` or `ms`. */
  readonly unit: string;
  /** What was measured, round by round; the median counts. */
  readonly values: readonly number[];
}

/** One measurement, done. */
export interface Measurement {
  /** Its name on the command line and in the document. */
  readonly name: string;
  /** What the first column of its table holds. */
  readonly subject: string;
  /** The other columns. */
  readonly columns: readonly Column[];
  /** The lines. */
  readonly rows: readonly Row[];
  /** What was aimed at. */
  readonly aims: readonly Aim[];
  /** Notes below the table, a sentence each. */
  readonly notes: readonly string[];
}

/** Context of every measurement. */
export interface BenchContext {
  /** Only checks that it works, with small numbers that mean nothing. */
  readonly quick: boolean;
  /** How many rounds each case has. */
  readonly rounds: number;
  /** The peers in Go; none where they could not be built. */
  readonly go: GoPrograms | undefined;
  /** Reports progress. */
  readonly say: (text: string) => void;
}

/** Does one measurement. */
export type Bench = (context: BenchContext) => Promise<Measurement>;

/** The figures of the first row, which are ours, relative to those of `peer`, round by round. */
export function ratios(
  rows: readonly Row[],
  { what, peer, figure }: {
    readonly what: string;
    readonly peer: string;
    readonly figure: string;
  },
): readonly number[] {
  const ours = rows.find((row) => row.what === what);
  const theirs = rows.find((row) => row.what === what && row.peer === peer);
  if (!ours || !theirs) return [];
  return compare(ours, theirs, figure).map(({ our, their }) => our / their);
}

/** The two figures of each round. */
export function compare(
  ours: Row,
  theirs: Row,
  figure: string,
): readonly { readonly our: number; readonly their: number }[] {
  const numbers = theirs.figures[figure] ?? [];
  return (ours.figures[figure] ?? []).flatMap((our, round) => {
    const their = numbers[round];
    return their === undefined ? [] : [{ our, their }];
  });
}
