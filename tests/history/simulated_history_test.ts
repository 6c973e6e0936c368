import { deepStrictEqual, ok } from "node:assert/strict";
import { checkHistory, showTable } from "./check_history.ts";
import { toHistory } from "./history.ts";
import { simulateHistory } from "./simulated_history.ts";

Deno.test("checkHistory() finds nothing in correct histories", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const history = toHistory(simulateHistory({ seed }));
    const lines = checkHistory(history);
    const found = lines.filter(({ verdict }) =>
      verdict.violations.length > 0 || verdict.undecided > 0
    );
    deepStrictEqual(found, [], `seed ${seed}\n${showTable(lines)}`);
    for (const { invariant, verdict } of lines.slice(0, 10)) {
      ok(verdict.checked > 0, `${invariant}, seed ${seed}: nothing checked`);
    }
  }
});
