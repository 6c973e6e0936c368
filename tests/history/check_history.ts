/**
 * All checkers on one history, as a table. Run on a file, it prints that and
 * ends with 1 if something is wrong.
 *
 * @module
 */

import { checkBelievers } from "./check_believers.ts";
import {
  checkGetLeader,
  checkLeaderKeys,
  checkResignations,
} from "./check_election.ts";
import { checkFencing } from "./check_fencing.ts";
import { checkLinearizable } from "./check_linearizable.ts";
import { checkLiveness } from "./check_liveness.ts";
import {
  checkBounded,
  checkConvergence,
  checkHighWater,
  checkNothingLeft,
  checkProcesses,
} from "./check_observations.ts";
import { checkRevisions } from "./check_revisions.ts";
import { checkWatches } from "./check_watches.ts";
import { checkWatchStalls } from "./check_watch_stalls.ts";
import { checkAcknowledgedWrites, checkNoGhosts } from "./check_writes.ts";
import { GroundTruth } from "./ground_truth.ts";
import type { History } from "./history.ts";
import { readHistory } from "./history_file.ts";
import type { Verdict } from "./verdict.ts";

/** One checker's line. */
export interface CheckedInvariant {
  /** As `I3`. */
  readonly invariant: string;
  /** What it says of a correct run. */
  readonly claim: string;
  /** What was found. */
  readonly verdict: Verdict;
}

/** Runs every checker. */
export function checkHistory(history: History): CheckedInvariant[] {
  const truth = new GroundTruth(history);
  const line = (invariant: string, claim: string, verdict: Verdict) => ({
    invariant,
    claim,
    verdict,
  });
  return [
    line(
      "I1",
      "no acknowledged write lost",
      checkAcknowledgedWrites(history, truth),
    ),
    line("I2", "no ghost, nothing twice", checkNoGhosts(history, truth)),
    line("I3", "linearizable per key", checkLinearizable(history, truth)),
    line(
      "I4",
      "strictly serializable by revision",
      checkRevisions(history, truth),
    ),
    line("I5", "watches see what happened", checkWatches(history, truth)),
    line("I6", "no watch falls silent", checkWatchStalls(history)),
    line("I7", "one leader's key", checkLeaderKeys(history, truth)),
    line("I8", "one believer", checkBelievers(history)),
    line("I9", "no stale guarded write", checkFencing(history, truth)),
    line("I10", "getLeader linearizable", checkGetLeader(history, truth)),
    line("I11", "back within the bound", checkLiveness(history)),
    line("I12", "resigned is resigned", checkResignations(history, truth)),
    line("I13", "nothing left behind", checkNothingLeft(history)),
    line("I14", "one etcd per directory", checkProcesses(history)),
    line("I16", "no silent step back", checkHighWater(history)),
    line("I17", "members hold the same", checkConvergence(history)),
    line("I20", "nothing grows", checkBounded(history)),
  ];
}

/** The lines as text: one for each checker, then what was found. */
export function showTable(lines: readonly CheckedInvariant[]): string {
  const rows = [
    ["", "claim", "checked", "undecided", "violations", ""],
    ...lines.map(({ invariant, claim, verdict }) => [
      invariant,
      claim,
      `${verdict.checked}`,
      `${verdict.undecided}`,
      `${verdict.violations.length}`,
      verdict.void ? `void: ${verdict.void}` : figures(verdict),
    ]),
  ];
  const widths =
    rows[0]?.map((_cell, column) =>
      Math.max(...rows.map((row) => (row[column] ?? "").length))
    ) ?? [];
  const table = rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")
      .trimEnd()
  );
  const found = lines.flatMap(({ invariant, verdict }) =>
    verdict.violations.map(({ message, operations }) =>
      `${invariant}: ${message}` +
      (operations.length > 0
        ? ` (${operations.slice(0, MOST_IDS).join(", ")})`
        : "")
    )
  );
  return [...table, ...(found.length > 0 ? ["", ...found] : [])].join("\n");
}

/** How many operations a message names. */
const MOST_IDS = 12;

function figures({ figures = {} }: Verdict): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${Math.round(value * 10) / 10}`)
    .join(", ");
}

if (import.meta.main) {
  const [path] = Deno.args;
  const print = (text: string) =>
    Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  if (path === undefined) {
    print("Usage: deno task check-history FILE");
    Deno.exit(2);
  }
  const lines = checkHistory(await readHistory(path));
  print(showTable(lines));
  const isWrong = lines.some(({ verdict }) => verdict.violations.length > 0);
  Deno.exit(isWrong ? 1 : 0);
}
