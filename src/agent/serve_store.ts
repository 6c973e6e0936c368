/**
 * A node's life on a store, from finding the cluster to resigning: what
 * {@linkcode StorePart} runs in its Worker.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import type { CallContext } from "../base/serve_calls.ts";
import { EtcdStore } from "../store/etcd_store.ts";
import type { Leadership, StateStore } from "../store/state_store.ts";
import {
  applySpec,
  type ClusterRecord,
  establishCluster,
  readCluster,
  untilAnswered,
} from "./cluster_record.ts";
import type { TermState } from "./node_state.ts";
import { participate } from "./participate.ts";
import { refuseAnotherStore } from "./refuse_node.ts";
import type { StoreInput, StoreNews } from "./store_part.ts";

/** Takes part until the signal aborts. */
export async function serveStore(
  { endpoints, nodeName, members, entry }: StoreInput,
  { signal, tell }: CallContext<StoreNews>,
): Promise<void> {
  await using store = new EtcdStore({ endpoints });
  const cluster = await enter(store, { endpoints, entry, signal });
  await tell({ cluster });
  await participate(store, {
    nodeName,
    members,
    leaseSeconds: cluster.spec.leaderLeaseSeconds,
    report: (news) => void tell(news),
    onTerm: (term) => reportTerm(term, (term) => void tell({ term })),
    signal,
  });
}

/** A term as news, and that it was lost when it is. */
function reportTerm(
  leadership: Leadership | undefined,
  report: (term: TermState | undefined) => void,
): void {
  if (leadership === undefined) return report(undefined);
  const { fence, signal } = leadership;
  report({ fence, isOver: signal.aborted });
  signal.addEventListener("abort", () => report({ fence, isOver: true }), {
    once: true,
  });
}

/** The cluster in the store, made or found, and the right one. */
async function enter(
  store: StateStore,
  { entry, endpoints, signal }:
    & Pick<StoreInput, "entry" | "endpoints">
    & Pick<CallContext<StoreNews>, "signal">,
): Promise<ClusterRecord> {
  const options = { signal };
  const read = () => untilAnswered(options, () => readCluster(store, options));
  const log = logger("agent");
  if (entry.kind === "join") {
    const cluster = await read();
    if (cluster === undefined) {
      throw new KatError(
        `Cannot run: the etcd at ${endpoints.join(", ")} holds no cluster`,
        { hint: "Make one first with kat-agent init --config FILE" },
      );
    }
    log.info("Found the cluster", { uid: cluster.uid });
    return cluster;
  }
  if (entry.kind === "return") {
    refuseAnotherStore(entry.uid, await read());
  } else {
    const { uid, created } = await establishCluster(
      store,
      entry.spec,
      options,
    );
    if (created) log.info("Created the cluster", { uid });
    else log.info("Found the cluster", { uid });
  }
  const { wantedSpec } = entry;
  if (wantedSpec) await applySpec(store, wantedSpec, options);
  const cluster = await read();
  if (cluster) return cluster;
  throw new KatError("Cannot serve: the cluster's UID vanished", {
    hint: "Restore the store from a backup",
  });
}
