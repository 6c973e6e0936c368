/**
 * A node's life on a store, from finding the cluster to resigning: what the
 * thread of {@linkcode StorePart} does.
 *
 * @module
 */

import { abortable } from "../../base/abortable.ts";
import { KatError, messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import type { Remote, ServedContext } from "../../base/worker/methods.ts";
import type {
  WorkerContext,
  WorkerMethods,
} from "../../base/worker/serve_methods.ts";
import { TermCanceller } from "../../election/term_canceller.ts";
import { ClusterBinding } from "../../etcd/client/cluster_binding.ts";
import { acceptsConnection } from "../../etcd/client/accepts_connection.ts";
import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import type { OwnEndpoint } from "../../etcd/client/etcd_client.ts";
import { httpHealth } from "../../etcd/client/etcd_health.ts";
import { EtcdMaintenance } from "../../etcd/client/etcd_maintenance.ts";
import { EtcdStore } from "../../store/etcd/etcd_store.ts";
import {
  type Leadership,
  type StateStore,
  StoreError,
} from "../../store/state_store.ts";
import {
  addClusterName,
  applySpec,
  type ClusterRecord,
  establishCluster,
  readCluster,
  refuseAnotherName,
  refuseAnotherStore,
  retryUntilAvailable,
} from "../../cluster/cluster_record.ts";
import { agreeOnTiming } from "../../cluster/agree_on_timing.ts";
import { missingPeers } from "../health/missing_peers.ts";
import { checkPosition, IdentityKeeper } from "../identity/keep_identity.ts";
import { keepPeerUrl } from "../identity/keep_peer_url.ts";
import type { TermState } from "../node_state.ts";
import { participate } from "./participate.ts";
import type {
  AwaitedInput,
  OwnMember,
  PrepareInput,
  StoreHost,
  StoreInput,
  StoreMethods,
} from "./store_part.ts";
import {
  type ClusterTiming,
  leaseInForce,
} from "../../cluster/cluster_timing.ts";

/** Makes what the thread does when asked; it lasts as long as the thread. */
export function storeMethods(): WorkerMethods<StoreMethods, StoreHost> {
  return new StoreThread();
}

/** How long the other members may take to say whether they wait for this one: before a first start only. */
const AWAITED_MS = 1_500;

class StoreThread implements WorkerMethods<StoreMethods, StoreHost> {
  readonly #termCanceller = new TermCanceller();
  /** Connected already, for {@linkcode serve}. */
  #prepared: EtcdStore | undefined;
  /** Has files; none between two requests. */
  #host: Remote<StoreHost> | undefined;
  readonly #own: OwnEndpoint = {
    portHolder: async () => await this.#host?.portHolder(),
  };
  readonly untilServing = httpHealth.untilServing;
  readonly isServing = httpHealth.isServing;
  readonly answers = httpHealth.answers;
  readonly serverVersion = httpHealth.serverVersion;

  missingPeers(
    { members, nodeName }: Pick<StoreInput, "members" | "nodeName">,
    { signal }: ServedContext,
  ): Promise<string[]> {
    return missingPeers(members, { nodeName, signal });
  }

  async isAwaited(
    { endpoints, peerUrl }: AwaitedInput,
    { signal }: ServedContext,
  ): Promise<boolean> {
    // Where nothing listens, the client would try again until its time is over.
    const open = await Promise.all(
      endpoints.map(async (url) =>
        await acceptsConnection(url, { signal }) ? [url] : []
      ),
    );
    if (open.flat().length === 0) return false;
    using maintenance = new EtcdMaintenance(open.flat());
    try {
      const members = await maintenance.members({
        signal,
        timeoutMs: AWAITED_MS,
      });
      return members.some(({ name, peerUrls }) =>
        name === "" && peerUrls.includes(peerUrl)
      );
    } catch (error) {
      if (error instanceof EtcdCallError) return false;
      throw error;
    }
  }

  async prepare(
    { endpoints, clusterId }: PrepareInput,
    { signal, host }: WorkerContext<StoreHost>,
  ): Promise<void> {
    this.#host = host;
    const store = this.#prepared = this.#ownStore(endpoints, clusterId);
    try {
      // The first request costs much of a start; etcd answers it when it serves.
      await readCluster(store, { signal });
    } finally {
      if (this.#host === host) this.#host = undefined;
    }
  }

  #ownStore(
    endpoints: readonly string[],
    clusterId: string | undefined,
  ): EtcdStore {
    const cluster = new ClusterBinding(clusterId);
    return new EtcdStore({ endpoints, cluster, own: this.#own });
  }

  endTerm(reason: string): void {
    this.#termCanceller.end(new Error(reason));
  }

  async serve(
    input: StoreInput,
    context: WorkerContext<StoreHost>,
  ): Promise<void> {
    const { endpoints, nodeName, members, own } = input;
    const { signal, host } = context;
    const [endpoint = ""] = endpoints;
    await using stack = new AsyncDisposableStack();
    // Before anything is written to a store that may be another, or older.
    this.#host = host;
    await checkPosition(own?.identity, { endpoint, own: this.#own, signal });
    const store = stack.use(
      own
        ? this.#prepared ?? this.#ownStore(endpoints, own.identity?.clusterId)
        : new EtcdStore({ endpoints }),
    );
    this.#prepared = undefined;
    if (own) await keepPeerUrl(members, { endpoint, own: this.#own, signal });
    const cluster = await findCluster(store, input, context);
    await host.keepCluster(cluster);
    const timing = own &&
      await agree(store, { input, cluster, context, stack });
    if (own) {
      stack.defer(keepIdentity({
        ownEndpoint: this.#own,
        own,
        endpoint,
        cluster,
        input,
        context,
      }));
    }
    if (own) await endFormerCandidacy(store, { own, nodeName, signal });
    await participate(store, {
      nodeName,
      members,
      leaseSeconds: leaseInForce(cluster.spec, timing),
      space: own && {
        endpoint,
        own: this.#own,
        quotaBytes: cluster.spec.etcd.quotaBackendBytes,
        diskSpace: () => abortable(host.diskSpace(), signal),
      },
      report: (progress) => void host.report(progress),
      onCandidacy: own && ((key) => void host.keepElectionKey(key)),
      onTerm: (term) => reportTerm(term, (term) => void host.report({ term })),
      termCanceller: this.#termCanceller,
      signal,
    });
  }
}

interface OwnOptions {
  readonly input: StoreInput;
  readonly cluster: ClusterRecord;
  readonly context: WorkerContext<StoreHost>;
}

/**
 * Gives back the lease of the agent that used this data directory before, if it
 * was killed. The lock on the directory shows that its process has ended: no
 * process leads by that lease any more, and it need not run out.
 */
async function endFormerCandidacy(
  store: EtcdStore,
  { own: { electionKey }, nodeName: leaderId, signal }: {
    readonly own: OwnMember;
    readonly nodeName: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  if (electionKey === undefined) return;
  const log = logger("agent");
  try {
    if (await store.endCandidacy(electionKey, { leaderId, signal })) {
      log.info(
        "Gave back the lease that the last agent of this node had left",
        {
          key: electionKey,
        },
      );
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    log.debug("The lease of the agent before was left to expire", {
      reason: messageOf(error),
    });
  }
}

/** Settles the timing with the other nodes; a node that is alone does not wait for its disk. */
async function agree(
  store: StateStore,
  { input, cluster, context: { signal, host }, stack }: OwnOptions & {
    readonly stack: AsyncDisposableStack;
  },
): Promise<ClusterTiming | undefined> {
  const { own, nodeName, members } = input;
  const probing = async () =>
    own?.probe ?? await abortable(host.probeDisk(), signal);
  const agreed = stack.use(
    await agreeOnTiming(store, {
      nodeName,
      members: members.length,
      etcd: cluster.spec.etcd,
      known: own?.timing,
      probing: own?.timing ? undefined : probing(),
      isLeaseGiven: own?.isLeaseGiven,
      isLeaseKept: own?.isLeaseKept,
      onStored: (timing) => abortable(host.keepTiming(timing), signal),
      signal,
    }),
  );
  return agreed.timing;
}

/** Keeps the identity up to date from now on; returns what ends that. */
function keepIdentity(
  {
    ownEndpoint,
    own,
    endpoint,
    cluster,
    input,
    context: { signal, host },
  }: OwnOptions & {
    readonly ownEndpoint: OwnEndpoint;
    readonly own: OwnMember;
    readonly endpoint: string;
  },
): () => Promise<void> {
  const keeping = IdentityKeeper.start({
    write: (identity) => host.keepIdentity(identity),
    known: own.identity,
    endpoint,
    own: ownEndpoint,
    clusterUid: cluster.uid,
    nodeName: input.nodeName,
    etcdVersion: own.etcdVersion,
    signal,
  }).catch((error) => {
    if (signal.aborted) return undefined;
    logger("agent").warn("Cannot keep the identity up to date", {
      reason: messageOf(error),
    });
    return undefined;
  });
  return async () => await (await keeping)?.[Symbol.asyncDispose]();
}

/** Reports a term, and its loss when it is lost. */
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

/** Finds the cluster in the store or makes it, and refuses another than the node's. */
async function findCluster(
  store: StateStore,
  { entry, endpoints }: StoreInput,
  { signal }: ServedContext,
): Promise<ClusterRecord> {
  const options = {
    signal,
    remembered: entry.kind === "return" ? entry.spec : undefined,
  };
  const read = () =>
    retryUntilAvailable(options, () => readCluster(store, options));
  const log = logger("agent");
  if (entry.kind === "join") {
    const cluster = await read();
    if (cluster === undefined) {
      throw new KatError(
        `Cannot run: the etcd at ${endpoints.join(", ")} holds no cluster`,
        { hint: "Make one first with kat-agent init" },
      );
    }
    log.info("Found the cluster", { uid: cluster.uid });
    return cluster;
  }
  const { name, wantedSpec: wanted, appliedSpec: applied } = entry;
  if (entry.kind === "return") {
    const cluster = refuseAnotherStore(entry.uid, await read());
    if (cluster.name !== undefined) warnOfAnotherName(name, cluster.name);
    else await addClusterName(store, name, options);
    if (!wanted) return cluster;
  } else {
    const found = await establishCluster(store, entry, options);
    const { uid, created } = found;
    refuseAnotherName(name, found);
    if (created) log.info("Created the cluster", { uid });
    else log.info("Found the cluster", { uid });
    if (found.name === undefined) await addClusterName(store, name, options);
  }
  if (wanted) await applySpec(store, { wanted, applied }, options);
  const cluster = await read();
  if (cluster) return cluster;
  throw new KatError("Cannot serve: the cluster's UID vanished", {
    hint: "Restore the store from a backup",
  });
}

/** A node knows its cluster by the UID: another name in the store keeps it from nothing. */
function warnOfAnotherName(name: string, stored: string): void {
  if (name === stored) return;
  logger("agent").warn(
    "The store has another name of the cluster than this node, which goes on with its own: another program may have changed /kat/config/cluster_name",
    { stored, remembered: name },
  );
}
