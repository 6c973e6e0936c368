/**
 * The leader at each revision: of the candidates' keys that exist, the one with
 * the lowest create revision.
 *
 * @module
 */

import type { GroundTruth } from "./ground_truth.ts";
import { type NextRevision } from "./revision_sweep.ts";

/** A stretch of revisions with the same leader. */
export interface LeaderSpan {
  /** The first revision. */
  readonly from: number;
  /** The first revision that is no longer its; Infinity for the last. */
  readonly to: number;
  /** The election key; undefined while there is no leader. */
  readonly key: string | undefined;
  /** The create revision of the key, 0 without one. */
  readonly token: number;
  /** The leader's ID. */
  readonly leader: string | undefined;
  /** When the recorder saw it begin. */
  readonly atNs: number;
}

/** The leaderships of a history, and the forbidden changes of candidates' keys. */
export class ElectionTimeline {
  /** One after the other, without a gap. */
  readonly leaderships: readonly LeaderSpan[];
  /** Changes of a candidate's key after it was made. */
  readonly changed: readonly string[];

  /** Reads the ground truth. */
  constructor(truth: GroundTruth, prefix: string) {
    const live = new Map<string, { token: number; leader: string }>();
    const leaderships: LeaderSpan[] = [];
    const changed: string[] = [];
    let now: Omit<LeaderSpan, "to"> = leaderless(0, 0);
    for (const change of truth.changes) {
      const { key, value, mod_revision, create_revision, at_ns } = change;
      if (!key.startsWith(prefix)) continue;
      if (value === null) live.delete(key);
      else if (mod_revision === create_revision) {
        live.set(key, { token: create_revision, leader: value });
      } else {
        changed.push(`${key} was changed at ${mod_revision}`);
      }
      const [first] = [...live].sort(([, a], [, b]) => a.token - b.token);
      if (first?.[0] === now.key && first?.[1].token === now.token) continue;
      if (first === undefined && now.key === undefined) continue;
      leaderships.push({ ...now, to: mod_revision });
      now = first
        ? { from: mod_revision, key: first[0], ...first[1], atNs: at_ns }
        : leaderless(mod_revision, at_ns);
    }
    leaderships.push({ ...now, to: Infinity });
    this.leaderships = leaderships;
    this.changed = changed;
  }

  /** The leadership at a revision. */
  at(revision: number): LeaderSpan {
    let [low, high] = [0, this.leaderships.length];
    while (low < high - 1) {
      const middle = (low + high) >> 1;
      if ((this.leaderships[middle]?.from ?? 0) <= revision) low = middle;
      else high = middle;
    }
    return this.leaderships[low] as LeaderSpan;
  }

  /** Where a leadership that is accepted holds. */
  where(accept: (leadership: LeaderSpan) => boolean): NextRevision {
    const accepted = this.leaderships.filter(accept);
    return (revision) => {
      let [low, high] = [0, accepted.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((accepted[middle]?.to ?? 0) <= revision) low = middle + 1;
        else high = middle;
      }
      const leadership = accepted[low];
      return leadership ? Math.max(revision, leadership.from) : Infinity;
    };
  }
}

function leaderless(from: number, atNs: number): Omit<LeaderSpan, "to"> {
  return { from, key: undefined, token: 0, leader: undefined, atNs };
}
