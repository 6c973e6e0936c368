/**
 * I6: no watch falls silent without saying so.
 *
 * @module
 */

import { watchersOf } from "./check_watches.ts";
import { concerns } from "./ground_truth.ts";
import type { History } from "./history.ts";
import { Findings, type Verdict } from "./verdict.ts";

/** Options of {@linkcode checkWatchStalls}. */
export interface WatchStallOptions {
  /** How long a marker may take to reach a watcher, in milliseconds. @default {5000} */
  readonly boundMs?: number;
}

/** Every marker reaches every watcher that stood when it was written, or the watcher had ended. */
export function checkWatchStalls(
  { watches, marks }: Pick<History, "watches" | "marks">,
  { boundMs = 5_000 }: WatchStallOptions = {},
): Verdict {
  const findings = new Findings();
  const delays: number[] = [];
  const watchers = watchersOf(watches);
  for (const mark of marks) {
    if (mark.name !== "marker") continue;
    const { key, revision, at_ns } = mark;
    const latest = at_ns + boundMs * 1e6;
    for (const { opened, records } of watchers.values()) {
      if (opened.at_ns > at_ns || opened.from_revision > revision) continue;
      if (!concerns(opened.key, key)) continue;
      findings.checked += 1;
      const answer = records.find((record) =>
        record.what === "closed" ||
        record.what === "event" && record.key === key &&
          record.revision === revision
      );
      if (answer === undefined || answer.at_ns > latest) {
        findings.add(
          `${opened.watcher} was not given the marker at ${revision} within ${boundMs} ms` +
            (answer ? ` but in ${(answer.at_ns - at_ns) / 1e6} ms` : ""),
        );
      } else if (answer.what === "event") {
        delays.push(Math.max(0, (answer.at_ns - at_ns) / 1e6));
      }
    }
  }
  return findings.verdict({
    void: findings.checked === 0
      ? "No watcher stood when a marker was written"
      : undefined,
    figures: { slowest_ms: Math.max(0, ...delays) },
  });
}
