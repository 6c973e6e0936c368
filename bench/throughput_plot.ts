/**
 * The plot of throughput against concurrency, from the store's measurement.
 *
 * @module
 */

import { drawPlot, type PlotLine } from "./line_plot.ts";
import type { Measurement } from "./measurement.ts";
import { median } from "./statistics.ts";
import { CALLERS, caseName, OPERATIONS } from "./store_bench.ts";

/** Draws it as an SVG. */
export function throughputPlot({ rows }: Pick<Measurement, "rows">): string {
  const measured = CALLERS.filter((callers) =>
    rows.some(({ what }) => what === caseName(OPERATIONS[0], callers))
  );
  const names = [...new Set(rows.map(({ peer }) => peer))];
  return drawPlot({
    title: "Operations per second against the number of callers at once",
    xTitle: "callers at once",
    yTitle: "per second",
    steps: measured.map(String),
    panels: OPERATIONS.map((operation) => ({
      title: operation,
      lines: names.map((name): PlotLine => ({
        name,
        points: measured.map((callers) => {
          const what = caseName(operation, callers);
          const row = rows.find((one) =>
            one.what === what && one.peer === name
          );
          const numbers = row?.figures["perSecond"] ?? [];
          return {
            y: median(numbers),
            low: Math.min(...numbers),
            high: Math.max(...numbers),
          };
        }),
      })),
    })),
  });
}
