/**
 * I7, I10 and I12: at most one leader's key, getLeader tells the truth of a
 * moment of its call, and a resignation is what it says.
 *
 * @module
 */

import { toSwept } from "./check_revisions.ts";
import { ElectionTimeline } from "./election_timeline.ts";
import { GroundTruth } from "./ground_truth.ts";
import type { Fault, History, Operation } from "./history.ts";
import { sweepRevisions, type SweptOperation } from "./revision_sweep.ts";
import { Findings, type Verdict } from "./verdict.ts";

/**
 * Every campaign that was won has a key of its own that was never changed, and
 * came to the front of the queue before the campaign returned.
 */
export function checkLeaderKeys(
  history: History,
  truth: GroundTruth = new GroundTruth(history),
): Verdict {
  const findings = new Findings();
  const timeline = timelineOf(history, truth);
  for (const change of timeline.changed) findings.add(change);
  const winners = new Map<number, string>();
  const asked: SweptOperation[] = [];
  for (const operation of history.operations) {
    if (operation.f !== "campaign" || operation.outcome !== "ok") continue;
    const { id, result } = operation;
    if (result === undefined) continue;
    findings.checked += 1;
    const other = winners.get(result.token);
    if (other !== undefined) {
      findings.add(`Two campaigns won with token ${result.token}`, other, id);
    }
    winners.set(result.token, id);
    // It may have lost the lead again before it returned, but not never had it.
    const [leadership] = timeline.leaderships.filter(({ key, token }) =>
      key === result.key && token === result.token
    );
    const from = leadership?.from ?? Infinity;
    asked.push({
      ...spanOf(operation),
      writes: false,
      holds: [
        (revision) => from === Infinity ? from : Math.max(revision, from),
      ],
    });
  }
  sweepFor(asked, { history, truth, findings }, {
    never: "A campaign was won with a key that never was the first",
    early: "A campaign was won before the leader before had gone",
  });
  return findings.verdict({
    figures: {
      leader_changes: timeline.leaderships.filter(({ key }) => key).length,
    },
  });
}

/** The leader that getLeader names led at some moment between call and return. */
export function checkGetLeader(
  history: History,
  truth: GroundTruth = new GroundTruth(history),
): Verdict {
  const findings = new Findings();
  const timeline = timelineOf(history, truth);
  const asked: SweptOperation[] = [];
  for (const operation of history.operations) {
    if (operation.f !== "getLeader" || operation.outcome !== "ok") continue;
    findings.checked += 1;
    const leader = operation.result ?? undefined;
    asked.push({
      ...spanOf(operation),
      writes: false,
      holds: [timeline.where((leadership) => leadership.leader === leader)],
    });
  }
  const words = "getLeader named a node that did not lead during the call";
  sweepFor(asked, { history, truth, findings }, { never: words, early: words });
  return findings.verdict({
    void: truth.to === 0 ? "The recorder certifies nothing" : undefined,
  });
}

/** Options of {@linkcode checkResignations}. */
export interface ResignationOptions {
  /** How long after a resignation its key may stand while nothing is wrong, in milliseconds. @default {1000} */
  readonly boundMs?: number;
}

/**
 * After a resignation its node never says again that it leads in that term; its
 * key is gone, soon, or when the lease is over if a fault was in the way.
 */
export function checkResignations(
  history: History,
  truth: GroundTruth = new GroundTruth(history),
  { boundMs = 1_000 }: ResignationOptions = {},
): Verdict {
  const findings = new Findings();
  const { lease_ttl_ms } = history.header;
  for (const operation of history.operations) {
    if (operation.f !== "resign" || operation.outcome !== "ok") continue;
    const { return_ns, leader, key, token, id } = operation;
    if (return_ns === null) continue;
    findings.checked += 1;
    const again = history.probes.find((probe) =>
      probe.node === leader && probe.token === token && probe.leads &&
      probe.asked_ns > return_ns
    );
    if (again) {
      findings.add(
        `${leader} said that it leads ${
          (again.asked_ns - return_ns) / 1e6
        } ms after it had resigned`,
        id,
      );
    }
    const gone = truth.next(key, token);
    const allowedMs = disturbed(operation, history.faults)
      ? boundMs + lease_ttl_ms
      : boundMs;
    const latest = return_ns + allowedMs * 1e6;
    if (gone?.event === "delete" && gone.at_ns <= latest) continue;
    const excused = gone?.event === "delete" &&
      gone.at_ns <= silenceEnd(truth, operation.call_ns, gone.at_ns) +
          (boundMs + lease_ttl_ms) * 1e6;
    if (latest > truth.untilNs || excused) findings.undecided += 1;
    else {
      findings.add(
        `The key ${key} stood more than ${allowedMs} ms after its resignation`,
        id,
      );
    }
  }
  return findings.verdict();
}

/**
 * The traffic makes a hundred changes in a second. A time without any that is
 * this long has one of three causes: the store is down, it waits for its disk,
 * or the recorder is cut off.
 */
const SILENCE_MS = 400;

/**
 * When the last silence between two moments was over. A store that is away ends
 * no lease, and gives each its whole time again when it is back; a recorder that
 * was cut off tells late what happened meanwhile.
 */
function silenceEnd(
  { changes }: GroundTruth,
  fromNs: number,
  toNs: number,
): number {
  let [end, lastNs] = [-Infinity, fromNs];
  for (const { at_ns } of changes) {
    if (at_ns <= fromNs) continue;
    if (at_ns > toNs) break;
    if (at_ns - lastNs >= SILENCE_MS * 1e6) end = at_ns;
    lastNs = at_ns;
  }
  return end;
}

/** Sweeps what was asked together with all that has a revision, and reports what was asked. */
function sweepFor(
  asked: readonly SweptOperation[],
  { history, truth, findings }: {
    readonly history: History;
    readonly truth: GroundTruth;
    readonly findings: Findings;
  },
  words: { readonly never: string; readonly early: string },
): void {
  const anchors = history.operations.flatMap((operation) =>
    toSwept(operation, truth) ?? []
  );
  const own = new Set(asked.map(({ id }) => id));
  for (const { operation, after } of sweepRevisions([...anchors, ...asked])) {
    if (own.has(operation.id)) {
      findings.add(words.never, operation.id, ...(after ? [after.id] : []));
    } else if (after && own.has(after.id)) {
      // It can only be explained by a revision that was made after it returned.
      findings.add(words.early, after.id, operation.id);
    }
  }
}

function spanOf({ id, call_ns, return_ns }: Operation) {
  return { id, callNs: call_ns, returnNs: return_ns ?? Infinity };
}

function timelineOf(history: History, truth: GroundTruth): ElectionTimeline {
  return new ElectionTimeline(truth, history.header.election_prefix);
}

/** Whether a fault was on during a call, or within a lease before it. */
function disturbed(operation: Operation, faults: readonly Fault[]): boolean {
  const { call_ns, return_ns } = operation;
  return faults.some(({ start_ns, end_ns }) =>
    start_ns <= (return_ns ?? Infinity) &&
    (end_ns ?? Infinity) >= call_ns - 5e9
  );
}
