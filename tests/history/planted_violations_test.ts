import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { checkHistory, showTable } from "./check_history.ts";
import { checkLinearizable } from "./check_linearizable.ts";
import { type HistoryRecord, toHistory } from "./history.ts";
import { PLANTS } from "./planted_violations.ts";
import { Random } from "../simulation/random.ts";
import { simulateHistory } from "./simulated_history.ts";

/** Which invariants a history violates. */
function violated(records: readonly HistoryRecord[]): Set<string> {
  const lines = checkHistory(toHistory(records));
  return new Set(
    lines.filter(({ verdict }) => verdict.violations.length > 0)
      .map(({ invariant }) => invariant),
  );
}

for (const { name, seenBy, plant } of PLANTS) {
  Deno.test(`checkHistory() sees ${name}: ${seenBy.join(", ")}`, () => {
    let planted = 0;
    for (let seed = 1; seed <= 120 && planted < 12; seed++) {
      const records = simulateHistory({ seed });
      const random = new Random(seed);
      const isPlanted = plant(
        records,
        (all) => all[random.below(all.length)],
      );
      if (!isPlanted) continue;
      planted += 1;
      const found = violated(records);
      for (const invariant of seenBy) {
        ok(
          found.has(invariant),
          `seed ${seed}: ${invariant} is silent\n${
            showTable(checkHistory(toHistory(records)))
          }`,
        );
      }
    }
    ok(planted >= 3, `planted ${planted} times only`);
  });
}

Deno.test("checkLinearizable() sees stale reads also without a ground truth", () => {
  const stale = PLANTS.find(({ name }) => name === "a stale read");
  let planted = 0;
  for (let seed = 200; seed < 260; seed++) {
    const records = simulateHistory({ seed, unknown: 0 });
    const random = new Random(seed);
    const isPlanted = stale?.plant(
      records,
      (all) => all[random.below(all.length)],
    );
    if (!isPlanted) continue;
    planted += 1;
    const blind = records.filter(({ type }) => type !== "truth");
    const { violations } = checkLinearizable(toHistory(blind));
    strictEqual(violations.length > 0, true, `seed ${seed}`);
  }
  ok(planted > 30, `planted ${planted} times only`);
});

Deno.test("checkHistory() calls a run without stale attempts, markers or measurements void", () => {
  const records = simulateHistory({ seed: 1, operations: 40 }).filter((one) =>
    !(one.type === "op" && one.f === "txn" && one.fence?.deposed) &&
    !(one.type === "mark" && one.name === "marker")
  );
  const voids = checkHistory(toHistory(records))
    .filter(({ verdict }) => verdict.void !== undefined)
    .map(({ invariant }) => invariant);
  deepStrictEqual(voids, [
    "I6",
    "I9",
    "I11",
    "I13",
    "I14",
    "I16",
    "I17",
    "I20",
  ]);
});
