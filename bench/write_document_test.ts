import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { Measurement } from "./measurement.ts";
import { joinMeasurements, type Report } from "./report.ts";
import { fillDocument } from "./write_document.ts";

function measurement(name: string, ms: number): Measurement {
  return {
    name,
    subject: "what",
    columns: [{ title: "ms", figure: "ms", digits: 0 }],
    rows: [{ what: "case", peer: "us", figures: { ms: [ms] } }],
    aims: [],
    notes: [`A note on ${name}.`],
  };
}

function report(...measurements: Measurement[]): Report {
  return {
    on: {
      date: "2026-01-02T03:04Z",
      processor: "Some CPU",
      cores: 2,
      memoryGib: 4,
      system: "Linux 6.1 x64",
      load: 0.5,
      versions: { etcd: "3.6.14" },
    },
    quick: false,
    rounds: 7,
    measurements,
  };
}

const TEXT = `# Title

<!-- bench: machine -->
<!-- end -->

<!-- bench: list -->

old

<!-- end -->

Words between.

<!-- bench: other -->

kept

<!-- end -->
`;

Deno.test("fillDocument() replaces the parts it has, and nothing else", () => {
  const filled = fillDocument(TEXT, report(measurement("list", 12)));
  match(filled, /Some CPU, 2 cores, 4 GiB, Linux 6\.1 x64/);
  match(filled, /etcd 3\.6\.14/);
  match(
    filled,
    /<!-- bench: list -->\n\n\| what \| by \| ms \|\n.*\n\| case \| us \| 12 \|\n\nA note on list\.\n\n<!-- end -->/,
  );
  ok(!filled.includes("old"));
  ok(filled.includes("Words between."));
  ok(filled.includes("<!-- bench: other -->\n\nkept\n\n<!-- end -->"));
});

Deno.test("fillDocument() makes the same of its own result", () => {
  const once = fillDocument(TEXT, report(measurement("list", 12)));
  strictEqual(fillDocument(once, report(measurement("list", 12))), once);
});

Deno.test("joinMeasurements() takes from before what was not measured now", () => {
  const [old, fresh] = [measurement("list", 1), measurement("list", 2)];
  const other = measurement("watch", 3);
  deepStrictEqual(
    joinMeasurements([fresh], {
      before: [other, old],
      names: ["list", "watch", "start"],
    }),
    [fresh, other],
  );
});
