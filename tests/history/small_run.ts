/**
 * What a small run is, that shows one planted bug.
 *
 * @module
 */

import type { History, HistoryRecord } from "./history.ts";
import type { SourceTree } from "./planted_bugs.ts";

/** Runs on a source tree and returns what happened. */
export type Scenario = (source: SourceTree) => Promise<History>;

/** The first line of a small run's history. */
export const SMALL_RUN: HistoryRecord = {
  type: "history",
  format: 1,
  seed: 0,
  versions: {},
  members: 1,
  lease_ttl_ms: 10_000,
  election_prefix: "/kat/leader_election/",
  foreign_prefixes: ["/kat/"],
};
