/**
 * The figures of a bench as a table.
 *
 * @module
 */

import type { Row } from "./store_bench.ts";

/** The middle one of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** One line for each peer and load. */
export function showTable(rows: readonly Row[]): string {
  const lines = [
    ["", "callers", "peer", "per second", "p50 ms", "p99 ms"],
    ...rows.map((row) => [
      row.what,
      `${row.callers}`,
      row.peer,
      `${Math.round(row.perSecond)}`,
      row.p50Ms.toFixed(3),
      row.p99Ms.toFixed(2),
    ]),
  ].map((line, index) => [
    ...line,
    index === 0 ? "store is × as fast" : spread(rows[index - 1]?.ratios),
    index === 0 ? "its p50 is ×" : spread(rows[index - 1]?.latencyRatios),
  ]);
  const widths =
    lines[0]?.map((_, column) =>
      Math.max(...lines.map((line) => line[column]?.length ?? 0))
    ) ?? [];
  return lines.map((line) =>
    line.map((cell, column) =>
      column === 0 || column === 2
        ? cell.padEnd(widths[column] ?? 0)
        : cell.padStart(widths[column] ?? 0)
    ).join("  ")
  ).join("\n");
}

/** The median with the lowest and the highest. */
function spread(ratios: readonly number[] = []): string {
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  const middle = median(ratios).toFixed(2);
  return `${middle} (${low.toFixed(2)}–${high.toFixed(2)})`;
}
