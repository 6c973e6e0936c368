/**
 * The timing of a cluster as it is stored.
 *
 * @module
 */

import * as v from "valibot";
import type { EtcdTiming } from "../etcd/etcd_timing.ts";

/** The shared timing. */
export interface ClusterTiming extends EtcdTiming {
  /** The p99 of the slowest disk, in milliseconds, if one was measured. */
  readonly diskP99Ms?: number | undefined;
  /** The node with that disk. */
  readonly slowestNode?: string | undefined;
  /** The lease that follows, in seconds; absent if cluster.kat says one. */
  readonly leaderLeaseSeconds?: number | undefined;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(1));

/** What stands in the store and in `node.json`; fields of a newer agent are left out. */
export const TimingSchema: v.GenericSchema<unknown, ClusterTiming> = v.object({
  heartbeatIntervalMs: count,
  electionTimeoutMs: count,
  diskP99Ms: v.optional(v.pipe(v.number(), v.minValue(0))),
  slowestNode: v.optional(v.string()),
  leaderLeaseSeconds: v.optional(count),
});
