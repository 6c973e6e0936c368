/**
 * For tests whose history must have nothing wrong in it.
 *
 * @module
 */

import { deepStrictEqual } from "node:assert/strict";
import { checkHistory, showTable } from "./check_history.ts";
import type { History } from "./history.ts";

/** Fails with the whole table if any checker finds a violation, or cannot decide. */
export function assertFlawless(history: History): void {
  const lines = checkHistory(history);
  deepStrictEqual(
    lines.filter(({ verdict }) =>
      verdict.violations.length > 0 || verdict.undecided > 0
    ),
    [],
    showTable(lines),
  );
}
