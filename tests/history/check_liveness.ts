/**
 * I11: once there is no fault, there is a leader and a write succeeds
 * within a bound, and nothing is stuck for ever.
 *
 * @module
 */

import type { History } from "./history.ts";
import { Findings, type Verdict } from "./verdict.ts";

/** Options of {@linkcode checkLiveness}. */
export interface LivenessOptions {
  /** How long a call may take, whatever happens, in milliseconds. @default {15000} */
  readonly callMs?: number;
}

/** After each `healed` a leader and a write follow within its bound; no call hangs. */
export function checkLiveness(
  { operations, probes, marks }: Pick<
    History,
    "operations" | "probes" | "marks"
  >,
  { callMs = 15_000 }: LivenessOptions = {},
): Verdict {
  const findings = new Findings();
  const ends = marks.filter(({ name }) => name === "end");
  const endNs = Math.max(
    ...(ends.length > 0 ? ends : marks).map(({ at_ns }) => at_ns),
  );
  const written = operations.filter(({ f, outcome }) =>
    f === "put" && outcome === "ok"
  );
  let [toLeader, toWrite] = [0, 0];
  for (const mark of marks) {
    if (mark.name !== "healed") continue;
    findings.checked += 1;
    const from = mark.at_ns;
    const latest = from + mark.bound_ms * 1e6;
    if (latest > endNs) findings.undecided += 1;
    const leads = least(
      probes,
      (probe) =>
        probe.leads && probe.asked_ns >= from ? probe.answered_ns : Infinity,
    );
    const writes = least(
      written,
      ({ call_ns, return_ns }) =>
        call_ns >= from ? return_ns ?? Infinity : Infinity,
    );
    for (const [what, atNs] of [["led", leads], ["wrote", writes]] as const) {
      if (atNs <= latest || latest > endNs) continue;
      findings.add(
        `No node ${what} within ${mark.bound_ms} ms after the last fault`,
      );
    }
    if (leads < Infinity) toLeader = Math.max(toLeader, leads - from);
    if (writes < Infinity) toWrite = Math.max(toWrite, writes - from);
  }
  for (const { id, f, call_ns, return_ns } of operations) {
    if (f === "campaign") continue;
    findings.checked += 1;
    const tookMs = ((return_ns ?? endNs) - call_ns) / 1e6;
    if (tookMs > callMs) findings.add(`${f} took ${tookMs} ms`, id);
  }
  return findings.verdict({
    void: marks.some(({ name }) => name === "healed")
      ? undefined
      : "Nothing was ever healed",
    figures: { to_leader_ms: toLeader / 1e6, to_write_ms: toWrite / 1e6 },
  });
}

function least<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((least, one) => Math.min(least, of(one)), Infinity);
}
