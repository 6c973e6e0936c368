/**
 * An agent's life on a store: it campaigns, observes the leader, and notices
 * when the store cannot be reached.
 *
 * @module
 */

import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { runElection } from "../../election/election.ts";
import type { TermCanceller } from "../../election/term_canceller.ts";
import { observeLeader } from "../../election/observe_leader.ts";
import {
  AnotherClusterError,
  type Leadership,
  type StateStore,
  StoreError,
} from "../../store/state_store.ts";
import type { Report } from "../node_state.ts";
import { watchSpace, type WatchSpaceOptions } from "../health/watch_space.ts";
import { type ReachabilityOptions, watchStore } from "../health/watch_store.ts";

/** Options of {@linkcode participate}. */
export interface ParticipateOptions
  extends Omit<ReachabilityOptions, "onCheck"> {
  /** The lease to ask for, in seconds. */
  readonly leaseSeconds: number;
  /** Where the node's own etcd is, and its disk; none if the node runs none. */
  readonly space?: Omit<WatchSpaceOptions, "signal"> | undefined;
  /** Ends a term from outside. */
  readonly termCanceller?: TermCanceller | undefined;
  /** Takes each key that stands for this node in the election, before it is put. */
  readonly onCandidacy?: ((key: string) => void) | undefined;
  /** Takes each term when it begins, and `undefined` once it is over. */
  readonly onTerm?: ((term: Leadership | undefined) => void) | undefined;
  /** Takes note of what has changed. */
  readonly report?: Report | undefined;
}

/**
 * Takes part until the signal aborts; a bug in one task ends them all.
 *
 * @throws {AnotherClusterError} if another cluster answers.
 */
export async function participate(
  store: StateStore,
  options: ParticipateOptions,
): Promise<void> {
  const { nodeName: leaderId, leaseSeconds, onTerm, report, termCanceller } =
    options;
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  await reportNamesake(store, leaderId, signal);
  const tasks = [
    runElection(store, {
      leaderId,
      leaseTtlSeconds: leaseSeconds,
      // No duties exist yet.
      duties: () => Promise.resolve(),
      onCandidacy: options.onCandidacy,
      onTerm,
      termCanceller,
      signal,
    }),
    observeLeader(store, {
      leaderId,
      signal,
      onLeader: (leader) =>
        report?.({ leader: leader === leaderId ? undefined : leader }),
    }),
    watchStore(store, {
      ...options,
      signal,
      onCheck: (trouble) => report?.({ storeCheck: { trouble } }),
    }),
    ...(options.space ? [watchSpace({ ...options.space, signal })] : []),
  ];
  const results = await Promise.allSettled(
    tasks.map((task) =>
      task.catch((error) => {
        // Not resigned: nothing can be told to the cluster that was.
        if (error instanceof AnotherClusterError) termCanceller?.end(error);
        failed.abort(error);
        throw error;
      })
    ),
  );
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** Logs why a node may wait although only its own name stands in the election. */
async function reportNamesake(
  store: StateStore,
  leaderId: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (await store.getLeader({ signal }) !== leaderId) return;
    logger("agent").info(
      "The election still holds a term under this node's name: waiting for its lease to end, or for another agent of that name",
      { leaderId },
    );
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof AnotherClusterError) throw error;
    if (!(error instanceof StoreError)) throw error;
    logger("agent").debug("Cannot see who leads", { reason: messageOf(error) });
  }
}
