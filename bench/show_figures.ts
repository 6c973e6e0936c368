/**
 * The figures of a measurement as the cells of a table.
 *
 * @module
 */

import {
  type Aim,
  type Column,
  compare,
  type Measurement,
  type Row,
} from "./measurement.ts";
import { median, percentile } from "./statistics.ts";

/** A heading and lines, all of one width; numbers are to stand at the right. */
export interface Table {
  /** The headings. */
  readonly heading: readonly string[];
  /** The lines. */
  readonly lines: readonly (readonly string[])[];
  /** How many columns, from the left, hold words. */
  readonly words: number;
}

/** The table of a measurement. */
export function tableOf(
  { subject, columns, rows }: Pick<
    Measurement,
    "subject" | "columns" | "rows"
  >,
): Table {
  return {
    heading: [subject, "by", ...columns.map(({ title }) => title)],
    lines: rows.map((row) => {
      const first = rows.find(({ what }) => what === row.what) ?? row;
      const cells = columns.map((column) => cell(row, { column, first }));
      return [row.what, row.peer, ...cells];
    }),
    words: 2,
  };
}

/** The table of all aims, and whether they were met. */
export function aimsTable(measurements: readonly Measurement[]): Table {
  return {
    heading: ["aim", "", "measured", "met"],
    lines: measurements.flatMap(({ aims }) => aims).map((aim) => [
      aim.what,
      `${aim.relation} ${amount(`${aim.bound}`, aim.unit)}`,
      amount(spread(aim.values, digitsOf(aim)), aim.unit),
      isMet(aim) ? "yes" : "no",
    ]),
    words: 1,
  };
}

function digitsOf({ unit, bound }: Aim): number {
  return unit === "×" || bound < 1 ? 2 : 0;
}

/** Whether the median of what was measured is on the right side. */
export function isMet({ relation, bound, values }: Aim): boolean {
  return relation === "≥" ? median(values) >= bound : median(values) <= bound;
}

/** The median with the lowest and the highest; a lone number is itself. */
export function spread(numbers: readonly number[], digits: number): string {
  const middle = number(median(numbers), digits);
  if (numbers.length < 2) return middle;
  const low = number(Math.min(...numbers), digits);
  const high = number(Math.max(...numbers), digits);
  return `${middle} (${low}–${high})`;
}

function cell(
  row: Row,
  { column, first }: { readonly column: Column; readonly first: Row },
): string {
  const { figure, digits, as = "median" } = column;
  const numbers = row.figures[figure];
  if (numbers === undefined) return "";
  switch (as) {
    case "median":
      return number(median(numbers), digits);
    case "spread":
      return spread(numbers, digits);
    case "p50":
      return number(percentile(numbers, 0.5), digits);
    case "p99":
      return number(percentile(numbers, 0.99), digits);
    case "ratio":
      return row === first ? "" : spread(
        compare(first, row, figure).map(({ our, their }) => our / their),
        digits,
      );
    case "difference":
      return row === first ? "" : spread(
        compare(first, row, figure).map(({ our, their }) => our - their),
        digits,
      );
  }
}

function number(value: number, digits: number): string {
  return Number.isFinite(value)
    ? value.toLocaleString("en", {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    })
    : "–";
}

function amount(text: string, unit: string): string {
  return unit === "%" ? `${text} %` : `${text} ${unit}`;
}
