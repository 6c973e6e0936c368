/**
 * An agent on an etcd that somebody else runs.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import type { Duties } from "../election/election.ts";
import { EtcdStore } from "../store/etcd_store.ts";
import { readCluster, untilAnswered } from "./cluster_record.ts";
import type { Report } from "./node_state.ts";
import { participate } from "./participate.ts";

/** Options of {@linkcode runExternal}. */
export interface ExternalOptions {
  /** Client URLs of the members. */
  readonly endpoints: readonly string[];
  /** The node's name, and its leader ID. */
  readonly nodeName: string;
  /** What the leader does. @default {nothing} */
  readonly duties?: Duties | undefined;
  /** Told how it goes. */
  readonly report?: Report | undefined;
  /** Ends the agent, in order. */
  readonly signal: AbortSignal;
}

/**
 * Campaigns on the cluster at `endpoints` until told to stop. Waits for it if
 * it cannot be reached.
 *
 * @throws {KatError} if the etcd there holds no cluster.
 */
export async function runExternal(options: ExternalOptions): Promise<void> {
  const { endpoints, nodeName, duties, report, signal } = options;
  // There is no etcd to start, and the one that is there may take its time.
  report?.({ isUp: true });
  await using store = new EtcdStore({ endpoints });
  const cluster = await untilAnswered(
    options,
    () => readCluster(store, { signal }),
  );
  if (cluster === undefined) {
    throw new KatError(
      `Cannot run: the etcd at ${endpoints.join(", ")} holds no cluster`,
      { hint: "Make one first with kat-agent init --config FILE" },
    );
  }
  logger("agent").info("Found the cluster", { uid: cluster.uid, nodeName });
  await participate(store, {
    nodeName,
    members: [],
    leaseSeconds: cluster.spec.leaderLeaseSeconds,
    duties,
    report,
    signal,
  });
}
