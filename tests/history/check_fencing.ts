/**
 * I9: no guarded write is accepted once its term is over.
 *
 * A run in which no deposed leader tried shows nothing.
 *
 * @module
 */

import { branchesOf, putsOf } from "./effects.ts";
import { ElectionTimeline } from "./election_timeline.ts";
import { GroundTruth } from "./ground_truth.ts";
import type { History, OperationOf } from "./history.ts";
import { Findings, type Verdict } from "./verdict.ts";

/** A guarded write's token is that of the leader's key at its revision; tokens never fall. */
export function checkFencing(
  history: History,
  truth: GroundTruth = new GroundTruth(history),
): Verdict {
  const findings = new Findings();
  const timeline = new ElectionTimeline(truth, history.header.election_prefix);
  const accepted: { token: number; revision: number; id: string }[] = [];
  let [attempts, stale] = [0, 0];
  for (const operation of history.operations) {
    if (operation.f !== "txn" || operation.fence === undefined) continue;
    const { key, token, deposed } = operation.fence;
    findings.checked += 1;
    if (deposed) attempts += 1;
    const revision = doneAt(operation, truth);
    if (revision === undefined) {
      // Guarded and done, but without a put that could show when.
      if (operation.result?.succeeded) findings.undecided += 1;
      continue;
    }
    accepted.push({ token, revision, id: operation.id });
    const leadership = timeline.at(revision - 1);
    if (leadership.key === key && leadership.token === token) continue;
    stale += 1;
    findings.add(
      `A write with token ${token} was accepted at ${revision}, when the leader's was ${leadership.token}`,
      operation.id,
    );
  }
  accepted.sort((a, b) => a.revision - b.revision);
  accepted.forEach((one, index) => {
    const before = accepted[index - 1];
    if (before === undefined || before.token <= one.token) return;
    findings.add(
      `A write with token ${one.token} came after one with ${before.token}`,
      before.id,
      one.id,
    );
  });
  return findings.verdict({
    void: attempts === 0
      ? "No deposed leader tried a guarded write"
      : undefined,
    figures: {
      accepted: accepted.length,
      stale_attempted: attempts,
      stale_accepted: stale,
    },
  });
}

/** The revision of a guarded write that was done, answered or not. */
function doneAt(
  operation: OperationOf<"txn">,
  truth: GroundTruth,
): number | undefined {
  const guarded = branchesOf({ ...operation, outcome: "unknown" })
    .filter(({ hold }) => hold);
  const [change] = guarded.flatMap((branch) =>
    putsOf(branch).flatMap(({ key, value }) => truth.wrote(key, value))
  );
  return change?.mod_revision;
}
