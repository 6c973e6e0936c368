/**
 * An agent on an etcd that runs without it.
 *
 * @module
 */

import { dropPermissions } from "../../base/drop_permissions.ts";
import { PartsWatch } from "../health/watch_parts.ts";
import type { Report } from "../node_state.ts";
import { type StoreHost, StorePart } from "../parts/store_part.ts";

/** Options of {@linkcode runExternal}. */
export interface ExternalOptions {
  /** Client URLs of the members. */
  readonly endpoints: readonly string[];
  /** The node's name, and its leader ID. */
  readonly nodeName: string;
  /** Sockets that the agent goes on to write to. */
  readonly sockets: readonly string[];
  /** Takes note of what has changed. */
  readonly report?: Report | undefined;
  /** Ends the agent, in order. */
  readonly signal: AbortSignal;
}

/** A node that runs no etcd has nothing to remember, and no disk. */
const NO_FILES: Omit<StoreHost, "report"> = {
  keepCluster: () => Promise.resolve(),
  keepElectionKey: () => Promise.resolve(),
  keepIdentity: () => Promise.resolve(),
  keepTiming: () => Promise.resolve(),
  probeDisk: () => Promise.resolve(undefined),
  diskSpace: () => Promise.resolve(undefined),
  portHolder: () => Promise.resolve(undefined),
};

/**
 * Campaigns on the cluster at `endpoints` until told to stop. Waits for it if
 * it cannot be reached.
 *
 * @throws {KatError} if the etcd there holds no cluster.
 */
export async function runExternal(
  { endpoints, nodeName, sockets, report, signal }: ExternalOptions,
): Promise<void> {
  // READY does not wait for the external etcd.
  report?.({ isUp: true });
  const members = [] as const;
  using store = new StorePart({ endpoints, members });
  report?.({ parts: [store] });
  using watch = new PartsWatch();
  watch.add(store);
  await dropPermissions({ sockets, after: [store] });
  await store.serve(
    { endpoints, nodeName, members, entry: { kind: "join" } },
    {
      host: { ...NO_FILES, report: (one) => report?.(one) },
      signal: AbortSignal.any([signal, watch.signal]),
    },
  );
  watch.signal.throwIfAborted();
}
