/**
 * The timing that all nodes of a cluster share, with time-outs as long as the
 * slowest disk among them needs: pure.
 *
 * @module
 */

import * as v from "valibot";
import type { ClusterSpec } from "../config/cluster_config.ts";
import type { SharedSpec } from "../config/shared_spec.ts";
import { isDnsName } from "../config/value_rules.ts";
import type { DiskProbe } from "../etcd/disk_probe.ts";
import {
  chooseTiming,
  deriveTiming,
  type EtcdTiming,
  failoverSeconds,
  leaseFor,
} from "../etcd/etcd_timing.ts";

/** The shared timing. */
export interface ClusterTiming extends EtcdTiming {
  /** The p99 of the slowest disk, in milliseconds, if one was measured. */
  readonly diskP99Ms?: number | undefined;
  /** The node with that disk. */
  readonly slowestNode?: string | undefined;
  /** The lease that follows, in seconds; absent if cluster.kat says one. */
  readonly leaderLeaseSeconds?: number | undefined;
}

const whole = (min: number, max: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));

/** The slowest write that counts, in milliseconds: no disk takes an hour. */
const SLOWEST_DISK_MS = 3_600_000;

/**
 * What stands in the store and in `node.json`, within the limits of `cluster.kat`
 * and etcd; fields of a newer agent are left out.
 */
export const TimingSchema: v.GenericSchema<unknown, ClusterTiming> = v.pipe(
  v.object({
    heartbeatIntervalMs: whole(1, 10_000),
    electionTimeoutMs: whole(5, 50_000),
    diskP99Ms: v.optional(
      v.pipe(v.number(), v.minValue(0), v.maxValue(SLOWEST_DISK_MS)),
    ),
    slowestNode: v.optional(v.pipe(v.string(), v.check(isDnsName))),
    leaderLeaseSeconds: v.optional(whole(2, 3_600)),
  }),
  v.check(({ heartbeatIntervalMs, electionTimeoutMs }) =>
    // Otherwise etcd does not start.
    electionTimeoutMs >= 5 * heartbeatIntervalMs
  ),
);

/** Options of {@linkcode mergeTiming}. */
export interface MergeOptions {
  /** The node that has measured. */
  readonly nodeName: string;
  /** How many members the cluster has. */
  readonly members: number;
  /** What cluster.kat says of etcd. */
  readonly etcd: ClusterSpec["etcd"];
  /** What it has measured; `undefined` if it has not, or could not. */
  readonly probe: DiskProbe | undefined;
  /**
   * Whether cluster.kat says `leaderLeaseSeconds`; `undefined` if that is not
   * known, as without the file.
   */
  readonly isLeaseGiven: boolean | undefined;
  /** Whether that is nothing new: the stored timing, which another node may have changed, then stays. */
  readonly isLeaseKept?: boolean | undefined;
}

/** The shared timing with one node's measurement in it. */
export function mergeTiming(
  stored: ClusterTiming | undefined,
  { nodeName, members, probe, etcd, isLeaseGiven, isLeaseKept = false }:
    MergeOptions,
): ClusterTiming {
  const p99Ms = probe && Math.round(probe.p99Ms * 100) / 100;
  const isSlowest = p99Ms !== undefined && p99Ms > (stored?.diskP99Ms ?? -1);
  const { diskP99Ms, slowestNode } = isSlowest
    ? { diskP99Ms: p99Ms, slowestNode: nodeName }
    : stored ?? {};
  const timing = deriveTiming(diskP99Ms, { members });
  // Without news from cluster.kat, keep whether the stored timing has a lease.
  const isKept = isLeaseGiven === undefined || (isLeaseKept && stored);
  const hasLease = isKept
    ? stored?.leaderLeaseSeconds !== undefined
    : !isLeaseGiven;
  return {
    ...timing,
    ...(diskP99Ms === undefined ? {} : { diskP99Ms, slowestNode }),
    ...(hasLease
      ? { leaderLeaseSeconds: leaseFor(chooseTiming(etcd, timing)) }
      : {}),
  };
}

/** The time-outs of a cluster. The field names are promised for `--json`. */
export interface TimingStatus {
  /** How often etcd's leader sends a heartbeat, in milliseconds. */
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

/** What holds for a cluster: cluster.kat's own values, then the shared timing, then the usual one. */
export function describeTiming(
  spec: Pick<SharedSpec, "etcd" | "leaderLeaseSeconds">,
  shared: ClusterTiming | undefined,
  members: number,
): TimingStatus {
  const etcd = chooseTiming(
    spec.etcd,
    shared ?? deriveTiming(undefined, { members }),
  );
  const leaseSeconds = leaseInForce(spec, shared);
  const { diskP99Ms, slowestNode } = shared ?? {};
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
  shared: ClusterTiming | undefined,
): number {
  return shared?.leaderLeaseSeconds ?? leaderLeaseSeconds;
}
