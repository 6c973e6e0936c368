/**
 * The time-outs of etcd and the lease of the leader, derived from how fast the
 * disks are: pure. Measuring is left to `disk_probe`.
 *
 * @module
 */

import type { ClusterSpec } from "../config/cluster_config.ts";
import { SPEC_DEFAULTS } from "../config/spec_rules.ts";

/** The time-outs between etcd's members. */
export interface EtcdTiming {
  /** How often etcd's leader sends a heartbeat, in milliseconds. */
  readonly heartbeatIntervalMs: number;
  /** How long followers wait for a silent leader before they elect, in milliseconds. */
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
 * A member without peers waits for no other: it starts in 0.1 s instead of 1 s,
 * and no member can replace it as leader, however slow its disk is.
 */
const ALONE: EtcdTiming = { heartbeatIntervalMs: 10, electionTimeoutMs: 100 };
/**
 * etcd's own default. Its guide asks for a heartbeat of 0.5 to 1.5 round trips
 * and elections of 10 round trips (etcd.io/docs/v3.6/tuning): this is right for
 * round trips up to 100 ms, which machines in one network are far below, and for
 * a disk whose p99 is below 10 ms, as etcd requires
 * (etcd.io/docs/v3.6/faq, "slow disk").
 */
const LEAST_HEARTBEAT_MS = 100;
/**
 * A follower answers no heartbeat while it waits for the disk to store a write,
 * and each vote is a write. Ten writes in a heartbeat are a hundred in an election
 * time-out: a disk that cleans up at times has writes of tens of times its p99.
 */
const WRITES_PER_HEARTBEAT = 10;
/** A disk that needs more is too slow for etcd, and longer time-outs only delay the fail-over. */
const LONGEST_HEARTBEAT_MS = 500;
/** Heartbeats are multiples of this, so that small differences between measurements change nothing. */
const HEARTBEAT_STEP_MS = 50;
/** The heartbeats in an election time-out, as in etcd's default; etcd refuses fewer than five. */
const HEARTBEATS_PER_ELECTION = 10;
/**
 * A term must outlast an election of etcd, which takes up to two time-outs. A
 * third of the lease may have passed since the last renewal, and a tenth is the
 * leader's margin: 2 / (1 - 1/3 - 1/10) = 3.53 time-outs.
 */
const ELECTIONS_PER_LEASE = 3.6;
/** etcd checks for expired leases twice a second, and electing a leader takes a few round trips. */
const TAKEOVER_SECONDS = 1;

/** Returns the time-outs for the p99 of the slowest disk; without a measurement, those for a good disk. */
export function deriveTiming(
  p99Ms: number | undefined,
  { members }: TimingOptions,
): EtcdTiming {
  return members > 1 ? withPeers(p99Ms ?? 0) : ALONE;
}

/** Returns a lease that outlasts an election of etcd, in seconds; not below the default. */
export function leaseFor({ electionTimeoutMs }: EtcdTiming): number {
  const least = electionTimeoutMs / 1000 * ELECTIONS_PER_LEASE;
  return Math.max(SPEC_DEFAULTS.leaderLeaseSeconds, Math.ceil(least));
}

/** Takes what cluster.kat sets. If it sets one time-out, the other follows from that one; if none, both are `derived`. */
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
 * Returns how long a cluster may be without a leader after the leader's whole
 * node was lost, in seconds: etcd elects, and its new leader restarts the time of
 * each lease. A lone node has to start again, and then waits for its old lease.
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
