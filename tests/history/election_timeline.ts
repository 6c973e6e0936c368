/**
 * Who led at each revision: of the candidates' keys that exist, the one with
 * the lowest create revision.
 *
 * @module
 */

import type { GroundTruth } from "./ground_truth.ts";
import { type NextRevision } from "./revision_sweep.ts";

/** A stretch of revisions with the same leader. */
export interface Reign {
  /** The first revision. */
  readonly from: number;
  /** The first revision that is no longer its; Infinity for the last. */
  readonly to: number;
  /** The election key; undefined while nobody leads. */
  readonly key: string | undefined;
  /** The create revision of the key, 0 without one. */
  readonly token: number;
  /** Who leads. */
  readonly leader: string | undefined;
  /** When the recorder saw it begin. */
  readonly atNs: number;
}

/** The reigns of a history, and what candidates' keys suffered that they must not. */
export class ElectionTimeline {
  /** One after the other, without a gap. */
  readonly reigns: readonly Reign[];
  /** Changes of a candidate's key after it was made. */
  readonly changed: readonly string[];

  /** Reads the ground truth. */
  constructor(truth: GroundTruth, prefix: string) {
    const live = new Map<string, { token: number; leader: string }>();
    const reigns: Reign[] = [];
    const changed: string[] = [];
    let now: Omit<Reign, "to"> = nobody(0, 0);
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
      reigns.push({ ...now, to: mod_revision });
      now = first
        ? { from: mod_revision, key: first[0], ...first[1], atNs: at_ns }
        : nobody(mod_revision, at_ns);
    }
    reigns.push({ ...now, to: Infinity });
    this.reigns = reigns;
    this.changed = changed;
  }

  /** The reign at a revision. */
  at(revision: number): Reign {
    let [low, high] = [0, this.reigns.length];
    while (low < high - 1) {
      const middle = (low + high) >> 1;
      if ((this.reigns[middle]?.from ?? 0) <= revision) low = middle;
      else high = middle;
    }
    return this.reigns[low] as Reign;
  }

  /** Where a reign that is accepted holds. */
  where(accept: (reign: Reign) => boolean): NextRevision {
    const accepted = this.reigns.filter(accept);
    return (revision) => {
      let [low, high] = [0, accepted.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((accepted[middle]?.to ?? 0) <= revision) low = middle + 1;
        else high = middle;
      }
      const reign = accepted[low];
      return reign ? Math.max(revision, reign.from) : Infinity;
    };
  }
}

function nobody(from: number, atNs: number): Omit<Reign, "to"> {
  return { from, key: undefined, token: 0, leader: undefined, atNs };
}
