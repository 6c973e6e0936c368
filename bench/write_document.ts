/**
 * Writes the tables of a report into a document.
 *
 * A part begins with `<!-- bench: NAME -->` and ends with `<!-- end -->`; the text
 * between is replaced.
 *
 * @module
 */

import type { Measurement } from "./measurement.ts";
import type { Report } from "./report.ts";
import { aimsTable, tableOf } from "./show_figures.ts";
import { markdownTable } from "./show_table.ts";

const PART_REGEXP = /(<!-- bench: (\S+) -->\n)[^]*?(<!-- end -->)/g;

/**
 * Returns `text` with every part that the report has something for; the others
 * stay as they are.
 */
export function fillDocument(text: string, report: Report): string {
  const parts = partsOf(report);
  return text.replaceAll(PART_REGEXP, (whole, begin, name, end) => {
    const part = parts.get(name);
    return part === undefined ? whole : `${begin}\n${part}\n\n${end}`;
  });
}

function partsOf(report: Report): ReadonlyMap<string, string> {
  const { measurements } = report;
  return new Map([
    ["machine", machine(report)],
    ["aims", markdownTable(aimsTable(measurements))],
    ...measurements.map((one) => [one.name, measured(one)] as const),
  ]);
}

function measured(measurement: Measurement): string {
  return [
    markdownTable(tableOf(measurement)),
    ...measurement.notes,
  ].join("\n\n");
}

function machine({ on, rounds }: Report): string {
  const versions = Object.entries(on.versions)
    .map(([name, version]) => `${name} ${version}`);
  return [
    `- ${on.processor}, ${on.cores} cores, ${on.memoryGib} GiB, ${on.system}`,
    `- ${versions.join(", ")}`,
    `- ${on.date}, ${rounds} rounds, load before it ${on.load.toFixed(2)}`,
  ].join("\n");
}
