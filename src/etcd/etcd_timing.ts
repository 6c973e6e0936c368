/**
 * From how fast the disks are to how patient etcd and the leader's lease have
 * to be: pure.
 *
 * @module
 */

import type { ClusterSpec } from "../config/cluster_config.ts";
import { SPEC_DEFAULTS } from "../config/spec_rules.ts";

/** How patient etcd's members are with each other. */
export interface EtcdTiming {
  /** How often the leader shows that it lives, in milliseconds. */
  readonly heartbeatIntervalMs: number;
  /** How long a silent leader is waited for, in milliseconds. */
  readonly electionTimeoutMs: number;
}

/** Options of {@linkcode deriveTiming}. */
export interface TimingOptions {
  /** How many members the cluster has. */
  readonly members: number;
}

/** Options of {@linkcode failoverSeconds}. */
export interface FailoverOptions extends TimingOptions {
  /** The lease of a leader, in seconds. */
  readonly leaseSeconds: number;
}

/**
 * A member without peers only waits for itself: starting takes 0.1 s instead of
 * 1 s, and there is nobody to depose it, however slow its disk is.
 */
const ALONE: EtcdTiming = { heartbeatIntervalMs: 10, electionTimeoutMs: 100 };
/**
 * etcd's own default. Its guide asks for a heartbeat of 0.5 to 1.5 round trips
 * and elections of 10 round trips (etcd.io/docs/v3.6/tuning): this is right for
 * round trips up to 100 ms, which machines side by side are far below, and for
 * a disk whose p99 is below 10 ms, as its makers ask for
 * (etcd.io/docs/v3.6/faq, "slow disk").
 */
const LEAST_HEARTBEAT_MS = 100;
/**
 * A follower answers no heartbeat while it makes a write last, and to vote is
 * one. Ten writes a heartbeat are a hundred an election: the worst write of a
 * disk that cleans up now and then is tens of times its p99.
 */
const WRITES_PER_HEARTBEAT = 10;
/** Slower still, a disk is too slow for etcd, and patience only delays fail-over. */
const LONGEST_HEARTBEAT_MS = 500;
/** Small differences between measurements are none between nodes. */
const HEARTBEAT_STEP_MS = 50;
/** As in etcd's own default; it refuses fewer than five. */
const HEARTBEATS_PER_ELECTION = 10;
/**
 * A term must outlast an election of etcd, which takes up to two time-outs. Of
 * the lease a third may have gone by since the last renewal, and a tenth is the
 * leader's margin: 2 / (1 - 1/3 - 1/10) = 3.53 time-outs.
 */
const ELECTIONS_PER_LEASE = 3.6;
/** etcd looks for leases that ended twice a second, and an election is a few round trips. */
const TAKEOVER_SECONDS = 1;

/** Returns what a disk asks for; without a measurement, what a good one does. */
export function deriveTiming(
  p99Ms: number | undefined,
  { members }: TimingOptions,
): EtcdTiming {
  return members > 1 ? withPeers(p99Ms ?? 0) : ALONE;
}

/** The lease that outlasts an election of etcd, in seconds; not below the default. */
export function leaseFor({ electionTimeoutMs }: EtcdTiming): number {
  const least = electionTimeoutMs / 1000 * ELECTIONS_PER_LEASE;
  return Math.max(SPEC_DEFAULTS.leaderLeaseSeconds, Math.ceil(least));
}

/** What cluster.kat says of etcd's timing wins; what it leaves out follows from that. */
export function chooseTiming(
  { heartbeatIntervalMs, electionTimeoutMs }: ClusterSpec["etcd"],
  derived: EtcdTiming,
): EtcdTiming {
  if (heartbeatIntervalMs === undefined && electionTimeoutMs === undefined) {
    const { heartbeatIntervalMs, electionTimeoutMs } = derived;
    return { heartbeatIntervalMs, electionTimeoutMs };
  }
  const heartbeat = heartbeatIntervalMs ??
    Math.max(
      1,
      Math.floor((electionTimeoutMs ?? 0) / HEARTBEATS_PER_ELECTION),
    );
  return {
    heartbeatIntervalMs: heartbeat,
    electionTimeoutMs: electionTimeoutMs ?? heartbeat * HEARTBEATS_PER_ELECTION,
  };
}

/**
 * How long a cluster may be without a leader after one was lost with its whole
 * node, in seconds: etcd elects, and its new leader counts each lease anew. A
 * node that is alone has to come back itself, and then waits for its lease.
 */
export function failoverSeconds(
  { electionTimeoutMs }: EtcdTiming,
  { members, leaseSeconds }: FailoverOptions,
): number {
  const electionSeconds = members > 1 ? 2 * electionTimeoutMs / 1000 : 0;
  return Math.ceil(electionSeconds + leaseSeconds + TAKEOVER_SECONDS);
}

function withPeers(p99Ms: number): EtcdTiming {
  const wanted = p99Ms * WRITES_PER_HEARTBEAT / HEARTBEAT_STEP_MS;
  const heartbeatIntervalMs = Math.min(
    Math.max(Math.ceil(wanted) * HEARTBEAT_STEP_MS, LEAST_HEARTBEAT_MS),
    LONGEST_HEARTBEAT_MS,
  );
  return {
    heartbeatIntervalMs,
    electionTimeoutMs: heartbeatIntervalMs * HEARTBEATS_PER_ELECTION,
  };
}
