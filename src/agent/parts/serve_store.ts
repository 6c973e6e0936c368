/**
 * A node's life on a store, from finding the cluster to resigning: what
 * {@linkcode StorePart} runs in its Worker.
 *
 * @module
 */

import { abortable } from "../../base/abortable.ts";
import { KatError, messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import type { CallContext, Calls } from "../../base/worker/serve_calls.ts";
import { TermCanceller } from "../../election/term_canceller.ts";
import type { DiskProbe } from "../../etcd/disk_probe.ts";
import { EtcdStore } from "../../store/etcd/etcd_store.ts";
import {
  type Leadership,
  type StateStore,
  StoreError,
} from "../../store/state_store.ts";
import {
  applySpec,
  type ClusterRecord,
  establishCluster,
  readCluster,
  refuseAnotherStore,
  retryUntilAvailable,
} from "../../cluster/cluster_record.ts";
import { agreeOnTiming } from "../../cluster/agree_on_timing.ts";
import type { DiskSpace } from "../../base/disk_space.ts";
import { checkPosition, IdentityKeeper } from "../identity/keep_identity.ts";
import type { TermState } from "../node_state.ts";
import { participate } from "./participate.ts";
import type {
  OwnMember,
  StoreCalls,
  StoreInput,
  StoreNews,
} from "./store_part.ts";
import type { ClusterTiming } from "../../cluster/cluster_timing.ts";
import { leaseInForce } from "../../cluster/cluster_timing.ts";

const termCanceller = new TermCanceller();

/** Connected already, for the next to serve. */
let prepared: EtcdStore | undefined;

/** What the part does when asked. */
export const storeCalls: Calls<StoreCalls> = {
  serve: serveStore,
  async prepare({ endpoints }, { signal }) {
    prepared = new EtcdStore({ endpoints });
    // The first request costs much of a start; etcd answers it when it serves.
    await readCluster(prepared, { signal });
  },
  endTerm(reason) {
    termCanceller.end(new Error(reason));
    return Promise.resolve();
  },
};

/** Takes part until the signal aborts. */
async function serveStore(
  input: StoreInput,
  context: CallContext<StoreNews>,
): Promise<void> {
  const { endpoints, nodeName, members, own } = input;
  const { signal, tell } = context;
  const [endpoint = ""] = endpoints;
  await using stack = new AsyncDisposableStack();
  // Before anything is written to a store that may be another, or older.
  await checkPosition(own?.identity, { endpoint, signal });
  const store = stack.use(prepared ?? new EtcdStore({ endpoints }));
  prepared = undefined;
  const cluster = await enter(store, input, context);
  await tell({ cluster });
  const timing = own && await agree(store, { input, cluster, context, stack });
  if (own) {
    stack.defer(keepIdentity({ own, endpoint, cluster, input, context }));
  }
  if (own) await endFormerCandidacy(store, { own, nodeName, signal });
  await participate(store, {
    nodeName,
    members,
    leaseSeconds: leaseInForce(cluster.spec, timing),
    space: own && {
      endpoint,
      quotaBytes: cluster.spec.etcd.quotaBackendBytes,
      diskSpace: async () =>
        await abortable(tell({ ask: "disk space" }), signal) as
          | DiskSpace
          | undefined,
    },
    report: (news) => void tell(news),
    onCandidacy: own && ((electionKey) => void tell({ electionKey })),
    onTerm: (term) => reportTerm(term, (term) => void tell({ term })),
    termCanceller,
    signal,
  });
}

interface OwnOptions {
  readonly input: StoreInput;
  readonly cluster: ClusterRecord;
  readonly context: CallContext<StoreNews>;
}

/**
 * Gives back the lease of the agent that was in this data directory before, if
 * it was killed: the lock on the directory shows that its process has ended, so
 * that nobody believes in that key, and it need not run out.
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

/** Settles the timing with the other nodes; one that is alone does not wait for its disk. */
async function agree(
  store: StateStore,
  { input, cluster, context: { signal, tell }, stack }: OwnOptions & {
    readonly stack: AsyncDisposableStack;
  },
): Promise<ClusterTiming | undefined> {
  const { own, nodeName, members } = input;
  const probing = async () =>
    own?.probe ??
      await abortable(tell({ ask: "disk probe" }), signal) as
        | DiskProbe
        | undefined;
  const agreed = stack.use(
    await agreeOnTiming(store, {
      nodeName,
      members: members.length,
      etcd: cluster.spec.etcd,
      known: own?.timing,
      probing: own?.timing ? undefined : probing(),
      isLeaseGiven: own?.isLeaseGiven,
      onStored: async (timing) =>
        void await abortable(tell({ timing }), signal),
      signal,
    }),
  );
  return agreed.timing;
}

/** Keeps the identity beside the node's life; returns what ends that. */
function keepIdentity(
  { own, endpoint, cluster, input, context: { signal, tell } }: OwnOptions & {
    readonly own: OwnMember;
    readonly endpoint: string;
  },
): () => Promise<void> {
  const keeping = IdentityKeeper.start({
    write: (identity) => tell({ identity }),
    known: own.identity,
    endpoint,
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
  { entry, endpoints }: StoreInput,
  { signal }: CallContext<StoreNews>,
): Promise<ClusterRecord> {
  const options = { signal };
  const read = () =>
    retryUntilAvailable(options, () => readCluster(store, options));
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
