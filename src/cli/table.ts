/**
 * Columns of text.
 *
 * @module
 */

import { escapeControls } from "../base/escape_controls.ts";

/** Rows of cells as lines, each column as wide as its widest cell; control characters in cells are escaped. */
export function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(escapeControls));
  const widths: number[] = [];
  for (const row of cells) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return cells.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")
      .trimEnd() + "\n"
  ).join("");
}
