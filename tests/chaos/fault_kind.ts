/**
 * What all faults have in common.
 *
 * @module
 */

import type { ClusterUnderTest } from "./cluster_under_test.ts";
import type { ChaosNode } from "./chaos_node.ts";
import type { CandidateProcess } from "./candidate_process.ts";
import type { Random } from "../simulation/random.ts";
import type { Recorder } from "./recorder.ts";
import type { RecordingStore } from "./recording_store.ts";

/** What a fault has to work with. */
export interface FaultContext {
  /** The cluster under test. */
  readonly cluster: ClusterUnderTest;
  /** The node it is meant for, if it is meant for one. */
  readonly node: ChaosNode;
  /** The candidate it is meant for, if it is meant for one. */
  readonly candidate: CandidateProcess;
  /** Where its choices come from. */
  readonly random: Random;
  /** What has been recorded, which bounds what may be forgotten. */
  readonly recorders: readonly Recorder[];
  /** Writes that faults need, in the history as others are. */
  readonly store: RecordingStore;
  /** The lease, in milliseconds. */
  readonly leaseMs: number;
  /** The size at which etcd refuses to grow, in bytes. */
  readonly quotaBytes: number;
  /** Waits; shortened when the run is told to stop. */
  readonly sleep: (ms: number) => Promise<void>;
}

/** What a fault did. */
export interface FaultResult {
  /** The names of its targets. */
  readonly target: readonly string[];
  /** What proves its effect; `null` if nothing does. */
  readonly proof: string | null;
}

/** A kind of fault. */
export interface FaultKind {
  /** Its name in the history and the report. */
  readonly name: string;
  /**
   * Set if it can be done at the same time as one of another family, without
   * more than one node being damaged.
   */
  readonly mild?: "candidate" | "link" | "clock" | "history";
  /** What it needs and this machine or cluster lacks; undefined for nothing. */
  readonly lacks: (cluster: ClusterUnderTest) => string | undefined;
  /** Injects it, waits, and undoes it. */
  readonly inflict: (context: FaultContext) => Promise<FaultResult>;
}

/** Needs nothing. */
export function lacksNothing(): undefined {
  return undefined;
}
