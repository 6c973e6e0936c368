/**
 * A cluster's timing as `status` tells it: pure.
 *
 * @module
 */

import type { ClusterSpec } from "../config/cluster_config.ts";
import {
  chooseTiming,
  deriveTiming,
  failoverSeconds,
} from "../etcd/etcd_timing.ts";
import type { ClusterTiming } from "./timing_schema.ts";

/** How patient a cluster is. The field names are promised for `--json`. */
export interface TimingStatus {
  /** How often etcd's leader shows that it lives, in milliseconds. */
  readonly heartbeatIntervalMs: number;
  /** How long etcd waits for a silent leader, in milliseconds. */
  readonly electionTimeoutMs: number;
  /** The lease of a leader, in seconds. */
  readonly leaderLeaseSeconds: number;
  /** How long there may be no leader after one was lost, in seconds. */
  readonly failoverSeconds: number;
  /** The p99 of a small write on the slowest disk, in milliseconds. */
  readonly diskP99Ms?: number;
  /** The node with that disk. */
  readonly slowestNode?: string;
}

/** What holds for a cluster: cluster.kat's own values, then what was settled, then the usual ones. */
export function describeTiming(
  spec: ClusterSpec,
  settled: ClusterTiming | undefined,
  members: number,
): TimingStatus {
  const etcd = chooseTiming(
    spec.etcd,
    settled ?? deriveTiming(undefined, { members }),
  );
  const leaseSeconds = leaseInForce(spec, settled);
  const { diskP99Ms, slowestNode } = settled ?? {};
  return {
    ...etcd,
    leaderLeaseSeconds: leaseSeconds,
    failoverSeconds: failoverSeconds(etcd, { members, leaseSeconds }),
    ...(diskP99Ms === undefined ? {} : { diskP99Ms }),
    ...(slowestNode === undefined ? {} : { slowestNode }),
  };
}

/** The lease to ask for, in seconds: cluster.kat's own, or what follows from the disks. */
export function leaseInForce(
  { leaderLeaseSeconds }: Pick<ClusterSpec, "leaderLeaseSeconds">,
  settled: ClusterTiming | undefined,
): number {
  return settled?.leaderLeaseSeconds ?? leaderLeaseSeconds;
}
