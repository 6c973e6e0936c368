/**
 * Puts a node together: directory, etcd, store, cluster, election. Starts them
 * in the order of the lines and stops them in the reverse.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import type { ClusterSpec } from "../cluster/cluster_config.ts";
import type { EtcdBinaries } from "../etcd/etcd_binaries.ts";
import { assertUnlocked, createDataDir } from "../etcd/etcd_data_dir.ts";
import { isLoopback } from "../etcd/etcd_flags.ts";
import { endOrphan, findOrphan } from "../etcd/etcd_pid_file.ts";
import { type EtcdProcess, startEtcd } from "../etcd/etcd_process.ts";
import { EtcdSupervisor } from "../etcd/etcd_supervisor.ts";
import { versionText } from "../etcd/etcd_version.ts";
import { assertPortsFree } from "../etcd/port_holder.ts";
import type { Duties } from "../election/election.ts";
import { EtcdStore } from "../store/etcd_store.ts";
import type { StateStore } from "../store/state_store.ts";
import {
  applySpec,
  type ClusterRecord,
  establishCluster,
  readCluster,
  untilAnswered,
} from "./cluster_record.ts";
import {
  DataDirectory,
  type DataPaths,
  dataPaths,
  inspectDataDirectory,
} from "./data_directory.ts";
import { clientEndpoints, planMember, wantedPorts } from "./member_plan.ts";
import { reportMissingPeers } from "./missing_peers.ts";
import type { NodeRecord } from "./node_record.ts";
import type { Report } from "./node_state.ts";
import { participate } from "./participate.ts";
import {
  refuseAnotherNode,
  refuseAnotherStore,
  refuseUnfitData,
} from "./refuse_node.ts";
import type { WantedNode } from "./wanted_node.ts";

/** What an agent needs besides. */
export interface AgentOptions {
  /** The data directory, absolute. */
  readonly dataDir: string;
  /** Finds the etcd to run, downloading it if need be. */
  readonly findEtcd: (spec: ClusterSpec) => Promise<EtcdBinaries>;
  /** What the leader does. @default {nothing} */
  readonly duties?: Duties | undefined;
  /** Told how it goes. */
  readonly report?: Report | undefined;
  /** Ends the agent, in order. */
  readonly signal: AbortSignal;
}

/** How long an etcd that an earlier agent left may take to end. */
const ORPHAN_GRACE_MS = 5_000;
/** The longest time that timers can take; a member with peers waits for them as long as it takes. */
const FOREVER_MS = 2 ** 31 - 1;
/**
 * How long a member without peers may take to serve. It takes 0.2 s on a small
 * machine, and minutes where a large log is replayed from an SD card: ending it
 * meanwhile would only make it begin anew.
 */
const ALONE_MS = 300_000;

/**
 * Makes a cluster, or one of its first nodes, and serves; takes up where it
 * left off if the directory holds the same node of the same cluster.
 *
 * @throws {KatError} if the directory, the settings or the machine do not
 * allow it; what was found is then as it was.
 */
export async function initNode(
  wanted: WantedNode,
  options: AgentOptions,
): Promise<void> {
  const known = await inspectDataDirectory(options.dataDir);
  if (known) await refuseAnotherNode(known, wanted, options.dataDir);
  await serveNode(
    { state: "initialising", ...known, ...wanted },
    { ...options, fresh: known === undefined, wantedSpec: wanted.spec },
  );
}

/**
 * Serves a node that was initialised before.
 *
 * @throws {KatError} if it was not, or cannot be served.
 */
export async function runNode(options: AgentOptions): Promise<void> {
  const known = await inspectDataDirectory(options.dataDir);
  if (known === undefined) {
    throw new KatError(
      `Cannot run: the data directory "${options.dataDir}" holds no node`,
      {
        hint:
          "Name its directory with --data-dir, make a cluster with kat-agent init --config FILE, or use an existing etcd with --endpoints",
      },
    );
  }
  await serveNode(known, { ...options, fresh: false });
}

interface ServeOptions extends AgentOptions {
  /** Whether the directory has not been used before. */
  readonly fresh: boolean;
  /** What cluster.kat says; without it the cluster's own configuration holds. */
  readonly wantedSpec?: ClusterSpec | undefined;
}

async function serveNode(
  record: NodeRecord,
  options: ServeOptions,
): Promise<void> {
  const { dataDir, fresh, report, signal } = options;
  const paths = dataPaths(dataDir);
  warnOfPlainHttp(record);

  await using stack = new AsyncDisposableStack();
  await refuseUnfitData(record, paths);
  const found = fresh ? await prepareFresh(record, options) : undefined;
  const directory = stack.use(await DataDirectory.open(dataDir));
  await endLeftover(paths);
  await assertPortsFree(wantedPorts(record));
  const binaries = found ?? await options.findEtcd(record.spec);
  signal.throwIfAborted();
  await directory.write(record);
  await createDataDir(paths.etcd);

  const processOptions = {
    binary: binaries.etcd,
    version: binaries.version,
    member: planMember(record, paths.etcd),
    logFile: paths.etcdLog,
    pidFile: paths.etcdPid,
  };
  const etcd = stack.use(await startEtcd(processOptions, { signal }));
  report?.({ etcd: () => etcd, etcdVersion: versionText(binaries.version) });
  await waitForMember(etcd, record, options);
  const supervisor = stack.use(new EtcdSupervisor(processOptions, etcd));
  report?.({ etcd: () => supervisor.current, waitsFor: undefined, isUp: true });
  const store = stack.use(
    new EtcdStore({ endpoints: clientEndpoints(record) }),
  );
  logger("agent").info("Successfully initialized etcd", {
    version: versionText(binaries.version),
    endpoint: clientEndpoints(record)[0],
  });

  const cluster = await joinCluster(store, record, options);
  const spec = { ...cluster.spec, dataDir: record.spec.dataDir };
  await directory.write({
    ...record,
    state: "ready",
    clusterUid: cluster.uid,
    spec,
  });
  await participate(store, {
    nodeName: record.nodeName,
    members: record.initialCluster,
    leaseSeconds: spec.leaderLeaseSeconds,
    duties: options.duties,
    report,
    signal,
  });
}

/** What can fail before a new directory is made, so that nothing is left of a failure. */
async function prepareFresh(
  record: NodeRecord,
  { findEtcd }: ServeOptions,
): Promise<EtcdBinaries> {
  await assertPortsFree(wantedPorts(record));
  return await findEtcd(record.spec);
}

/** The cluster in the store, made or found, and the same as before. */
async function joinCluster(
  store: StateStore,
  record: NodeRecord,
  { signal, wantedSpec }: ServeOptions,
): Promise<ClusterRecord> {
  const options = { signal };
  if (record.state === "ready") {
    const found = await untilAnswered(
      options,
      () => readCluster(store, options),
    );
    refuseAnotherStore(record, found);
  } else {
    const { uid, created } = await establishCluster(
      store,
      record.spec,
      options,
    );
    const log = logger("agent");
    if (created) log.info("Created the cluster", { uid });
    else log.info("Found the cluster", { uid });
  }
  if (wantedSpec) await applySpec(store, wantedSpec, options);
  const cluster = await untilAnswered(
    options,
    () => readCluster(store, options),
  );
  if (cluster === undefined) {
    throw new KatError("Cannot serve: the cluster's UID vanished", {
      hint: "Restore the store from a backup",
    });
  }
  return cluster;
}

/** Ends the etcd that an agent left behind when it was killed. */
async function endLeftover(paths: DataPaths): Promise<void> {
  const orphan = await findOrphan(paths.etcdPid, paths.etcd);
  if (orphan) await endOrphan(orphan, { graceMs: ORPHAN_GRACE_MS });
  await assertUnlocked(paths.etcd);
}

/** Waits until the member serves; with peers, as long as it takes, saying for whom. */
async function waitForMember(
  etcd: EtcdProcess,
  { initialCluster, nodeName }: NodeRecord,
  { report, signal }: AgentOptions,
): Promise<void> {
  const alone = initialCluster.length === 1;
  const serving = new AbortController();
  const reports = reportMissingPeers(initialCluster, {
    nodeName,
    // Its peers may come after days; this node has done its part.
    onWait: (waitsFor) => report?.({ waitsFor, isUp: true }),
    signal: AbortSignal.any([signal, serving.signal]),
    whyRefused: () => etcd.whyRefused(),
  });
  try {
    await etcd.waitUntilServing({
      signal,
      timeoutMs: alone ? ALONE_MS : FOREVER_MS,
    });
  } finally {
    serving.abort();
    await reports;
  }
}

function warnOfPlainHttp({ advertiseAddress }: NodeRecord): void {
  if (isLoopback(advertiseAddress)) return;
  logger("agent").warn(
    "etcd is reachable from other machines without encryption or password: keep its ports inside a network you trust",
    { address: advertiseAddress },
  );
}
