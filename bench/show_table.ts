/**
 * A table for a terminal, and one for a document.
 *
 * @module
 */

import type { Table } from "./show_figures.ts";

/** A table with its columns under each other. */
export function showTable({ heading, lines, words }: Table): string {
  const all = [heading, ...lines];
  const widths = heading.map((_, column) =>
    Math.max(...all.map((line) => line[column]?.length ?? 0))
  );
  return all.map((line) =>
    line.map((cell, column) =>
      column < words
        ? cell.padEnd(widths[column] ?? 0)
        : cell.padStart(widths[column] ?? 0)
    ).join("  ").trimEnd()
  ).join("\n");
}

/** A table in Markdown. */
export function markdownTable({ heading, lines, words }: Table): string {
  const rule = heading.map((_, column) => column < words ? "---" : "---:");
  return [heading, rule, ...lines]
    .map((line) => `| ${line.join(" | ")} |`)
    .join("\n");
}
