import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Measurement } from "./measurement.ts";
import { aimsTable, isMet, spread, tableOf } from "./show_figures.ts";
import { markdownTable, showTable } from "./show_table.ts";

const MEASUREMENT: Measurement = {
  name: "list",
  subject: "list",
  columns: [
    { title: "ms", figure: "ms", digits: 1, as: "spread" },
    { title: "p99", figure: "ms", digits: 0, as: "p99" },
    { title: "×", figure: "ms", digits: 2, as: "ratio" },
    { title: "+", figure: "ms", digits: 0, as: "difference" },
    { title: "size", figure: "size", digits: 0 },
  ],
  rows: [
    { what: "10 keys", peer: "a", figures: { ms: [10, 30, 20], size: [1e6] } },
    { what: "10 keys", peer: "b", figures: { ms: [20, 20, 40] } },
  ],
  aims: [
    {
      what: "time",
      relation: "≤",
      bound: 1,
      unit: "×",
      values: [0.5, 1.5, 0.9],
    },
    { what: "speed", relation: "≥", bound: 4, unit: "×", values: [3.9] },
    { what: "nobody", relation: "≤", bound: 50, unit: "ms", values: [] },
  ],
  notes: [],
};

Deno.test("tableOf() compares each row with the first of its case, round by round", () => {
  deepStrictEqual(tableOf(MEASUREMENT).lines, [
    ["10 keys", "a", "20.0 (10.0–30.0)", "30", "", "", "1,000,000"],
    [
      "10 keys",
      "b",
      "20.0 (20.0–40.0)",
      "40",
      "0.50 (0.50–1.50)",
      "-10 (-20–10)",
      "",
    ],
  ]);
});

Deno.test("aimsTable() says of each aim what was measured and whether it was met", () => {
  deepStrictEqual(aimsTable([MEASUREMENT]).lines, [
    ["time", "≤ 1 ×", "0.90 (0.50–1.50) ×", "yes"],
    ["speed", "≥ 4 ×", "3.90 ×", "no"],
    ["nobody", "≤ 50 ms", "– ms", "no"],
  ]);
});

Deno.test("isMet() takes the bound itself as met", () => {
  const aim = { what: "", bound: 1, unit: "×", values: [1] };
  strictEqual(isMet({ ...aim, relation: "≤" }), true);
  strictEqual(isMet({ ...aim, relation: "≥" }), true);
});

Deno.test("spread() shows a lone number as it is", () => {
  strictEqual(spread([2], 1), "2.0");
  strictEqual(spread([], 1), "–");
});

const TABLE = {
  heading: ["what", "ms"],
  lines: [["a long name", "1"], ["b", "100"]],
  words: 1,
};

Deno.test("showTable() puts words at the left and numbers at the right", () => {
  strictEqual(
    showTable(TABLE),
    "what          ms\na long name    1\nb            100",
  );
});

Deno.test("markdownTable() says on which side each column stands", () => {
  strictEqual(
    markdownTable(TABLE),
    "| what | ms |\n| --- | ---: |\n| a long name | 1 |\n| b | 100 |",
  );
});
