/**
 * When a database or a disk is too full, and what to do about it: pure, the
 * same for `status` and for the agent's own watch.
 *
 * @module
 */

import { byteText } from "../base/byte_text.ts";

/**
 * What is short of space: `quota` if a database nears its quota, `nospace` if
 * it has reached it, and `disk` for the disk of the data directory.
 */
export type SpaceKind = "quota" | "nospace" | "disk";

/** What is known of the space that a member has. */
export interface SpaceFacts {
  /** Its database on disk, in bytes. */
  readonly dbBytes?: number | undefined;
  /** What of that holds data. */
  readonly dbBytesInUse?: number | undefined;
  /** The size at which it refuses writes. */
  readonly quotaBytes?: number | undefined;
  /** Whether it has raised the alarm that it is full. */
  readonly isFull?: boolean | undefined;
  /** What this user can still write on the disk of the data directory, in bytes. */
  readonly diskFreeBytes?: number | undefined;
}

/** One shortage of space. */
export interface SpaceTrouble {
  /** What is short. */
  readonly kind: SpaceKind;
  /** A clause, as `its database uses 75 % of …`. */
  readonly why: string;
  /** What to do, as a clause. */
  readonly advice: string;
}

/** A day's growth is far below the remaining 30 %: there is time to act. */
const QUOTA_WARNING = 0.7;
/** A warning ends only below this, so that it does not come and go. */
const QUOTA_RELIEF = 0.65;
/** etcd's log grows by segments of this size, the next of which is made in advance. */
const LOG_SEGMENT_BYTES = 64_000_000;
/** How much more than the least there must be again before a warning ends. */
const DISK_RELIEF = 1.2;

/**
 * The least that should be free: two segments of the log, and a copy of the
 * database for defragmenting or a snapshot.
 */
export function leastFreeBytes({ dbBytes = 0 }: SpaceFacts): number {
  return 2 * LOG_SEGMENT_BYTES + dbBytes;
}

/** Finds what is short; `known` are the shortages that were found before, which end a little later than they began. */
export function findSpaceTroubles(
  facts: SpaceFacts,
  known: ReadonlySet<SpaceKind> = new Set(),
): SpaceTrouble[] {
  return [ofDatabase(facts, known), ofDisk(facts, known)]
    .filter((trouble) => trouble !== undefined);
}

function ofDatabase(
  { dbBytes, dbBytesInUse = 0, quotaBytes, isFull }: SpaceFacts,
  known: ReadonlySet<SpaceKind>,
): SpaceTrouble | undefined {
  if (isFull) {
    return {
      kind: "nospace",
      why: "its database has reached its quota, and the store refuses writes",
      advice:
        "run kat-agent etcd compact, kat-agent etcd defrag and kat-agent etcd disarm, in this order; if the keys themselves need that much space, raise spec.etcd.quotaBackendBytes first",
    };
  }
  if (dbBytes === undefined || quotaBytes === undefined) return undefined;
  const used = dbBytes / quotaBytes;
  if (used < (known.has("quota") ? QUOTA_RELIEF : QUOTA_WARNING)) {
    return undefined;
  }
  const isData = dbBytesInUse / quotaBytes >= QUOTA_RELIEF;
  return {
    kind: "quota",
    why: `its database has ${byteText(dbBytes)}, ${
      Math.floor(used * 100)
    } % of its quota`,
    advice: isData
      ? "run kat-agent etcd compact and then kat-agent etcd defrag, or raise spec.etcd.quotaBackendBytes: at 100 % the store refuses writes"
      : "run kat-agent etcd defrag: most of the database is free space inside",
  };
}

function ofDisk(
  facts: SpaceFacts,
  known: ReadonlySet<SpaceKind>,
): SpaceTrouble | undefined {
  const { diskFreeBytes } = facts;
  if (diskFreeBytes === undefined) return undefined;
  const least = leastFreeBytes(facts) *
    (known.has("disk") ? DISK_RELIEF : 1);
  if (diskFreeBytes >= least) return undefined;
  return {
    kind: "disk",
    why: `the disk of its data has ${byteText(diskFreeBytes)} left`,
    advice: "free space on it: etcd stops when the disk is full",
  };
}
