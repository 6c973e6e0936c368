/**
 * The one table of a run, and whether it passed.
 *
 * @module
 */

import { showTable } from "../history/check_history.ts";
import type { Times } from "./measures.ts";
import type { TopologyResult } from "./run_topology.ts";

/** Traffic below this, before the first fault, proves nothing (operations per second). */
const LEAST_RATE = 50;
/** The share of what a checker looked at that it may leave undecided; and this many anyway. */
const UNDECIDED_SHARE = 0.01;
const UNDECIDED_ANYWAY = 5;
/** Checkers without input in a run of this kind. */
const NOT_APPLICABLE: ReadonlySet<string> = new Set(["I20"]);

/** Lists what makes a run fail: violations, too many undecided, and what makes it void. */
export function failuresOf(result: TopologyResult): string[] {
  const { lines, measures, faults, incidents } = result;
  const failures = [...incidents];
  for (const { invariant, verdict } of lines) {
    const { violations, undecided, checked } = verdict;
    if (violations.length > 0) {
      failures.push(`${invariant}: ${violations.length} violations`);
    }
    if (undecided > UNDECIDED_ANYWAY + UNDECIDED_SHARE * checked) {
      failures.push(`${invariant}: ${undecided} of ${checked} undecided`);
    }
    if (verdict.void !== undefined && !NOT_APPLICABLE.has(invariant)) {
      failures.push(`Void: ${invariant}: ${verdict.void}`);
    }
  }
  if (measures.rateBefore < LEAST_RATE) {
    failures.push(
      `Void: ${
        measures.rateBefore.toFixed(0)
      } operations a second before the first fault, wanted ${LEAST_RATE}`,
    );
  }
  if (faults.size === 0) failures.push("Void: there was no fault");
  for (const [kind, { tried, proven }] of faults) {
    if (proven === 0) {
      failures.push(`Void: "${kind}" was tried ${tried} times, never proven`);
    }
  }
  return failures;
}

/** The table of one topology. */
export function showResult(
  result: TopologyResult,
  versions: Readonly<Record<string, string>>,
): string {
  const { members, seed, path, lines, measures, faults, missing } = result;
  const { outcomes, failovers, handOvers, leaderless, terms, tookMs } =
    measures;
  const tried = sum([...faults.values()].map((one) => one.tried));
  const proven = sum([...faults.values()].map((one) => one.proven));
  const count = sum(Object.values(outcomes));
  const rows = [
    [
      "run",
      `etcd ${versions.etcd} with ${members} member${
        members > 1 ? "s" : ""
      }, seed ${seed}, ${
        (tookMs / 60_000).toFixed(1)
      } min, ${versions.sandbox}, ${versions.host}`,
    ],
    [
      "operations",
      `${count}: ${outcomes.ok} ok, ${outcomes.fail} fail, ${outcomes.unknown} unknown; ${
        measures.rateBefore.toFixed(0)
      }/s before the first fault`,
    ],
    ["leader changes", `${Math.max(0, terms.length - 1)}`],
    ["without a leader", `${(100 * leaderless).toFixed(1)} % of the time`],
    ["hand-over", showTimes(handOvers)],
    ...[...failovers].map(([kind, times]) => [
      `fail-over, ${kind}`,
      showTimes(times),
    ]),
    ["faults", `${tried} tried, ${proven} proven`],
    ...[...faults].map(([kind, one]) => [
      `  ${kind}`,
      `${one.tried} tried, ${one.proven} proven`,
    ]),
    ...[...Map.groupBy(missing, ([, what]) => what)].map(([what, kinds]) => [
      `without ${what}`,
      `none of: ${kinds.map(([kind]) => kind).join(", ")}`,
    ]),
    ["history", path],
  ];
  const width = Math.max(...rows.map(([name = ""]) => name.length));
  return [
    ...rows.map(([name = "", text]) => `${name.padEnd(width)}  ${text}`),
    "",
    showTable(lines),
  ].join("\n");
}

function showTimes({ count, p50, p99, max }: Times): string {
  if (count === 0) return "none";
  const text = [p50, p99, max].map((ms) => ms.toFixed(0)).join(" / ");
  return `p50 / p99 / max ${text} ms (${count})`;
}

function sum(values: readonly number[]): number {
  return values.reduce((one, other) => one + other, 0);
}
