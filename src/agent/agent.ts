/**
 * Puts a node together: directory, etcd, store, cluster, election. Starts them
 * in the order of the lines and stops them in the reverse.
 *
 * @module
 */

import { dropPermissions } from "../base/drop_permissions.ts";
import { KatError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import type { ClusterSpec } from "../cluster/cluster_config.ts";
import type { EtcdBinaries } from "../etcd/etcd_binaries.ts";
import { assertUnlocked, createDataDir } from "../etcd/etcd_data_dir.ts";
import { isLoopback } from "../etcd/etcd_flags.ts";
import { endOrphan, findOrphan } from "../etcd/etcd_pid_file.ts";
import { versionText } from "../etcd/etcd_version.ts";
import { assertPortsFree } from "../etcd/port_holder.ts";
import {
  DataDirectory,
  type DataPaths,
  dataPaths,
  inspectDataDirectory,
  writeRecord,
} from "./data_directory.ts";
import { type MemberInput, MemberPart } from "./member_part.ts";
import { clientEndpoints, planMember, wantedPorts } from "./member_plan.ts";
import type { NodeRecord } from "./node_record.ts";
import type { Report } from "./node_state.ts";
import { refuseAnotherNode, refuseUnfitData } from "./refuse_node.ts";
import { type StoreInput, StorePart } from "./store_part.ts";
import type { WantedNode } from "./wanted_node.ts";

/** What an agent needs besides. */
export interface AgentOptions {
  /** The data directory, absolute. */
  readonly dataDir: string;
  /** Finds the etcd to run, downloading it if need be. */
  readonly findEtcd: (spec: ClusterSpec) => Promise<EtcdBinaries>;
  /** Sockets that the agent goes on to write to. */
  readonly sockets: readonly string[];
  /** Told how it goes. */
  readonly report?: Report | undefined;
  /** Ends the agent, in order. */
  readonly signal: AbortSignal;
}

/** How long an etcd that an earlier agent left may take to end. */
const ORPHAN_GRACE_MS = 5_000;

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
  // It loads while etcd is looked for and started.
  const store = stack.use(new StorePart(storeInput(record, options)));
  const found = fresh ? await prepareFresh(record, options) : undefined;
  stack.use(await DataDirectory.open(dataDir));
  await endLeftover(paths);
  await assertPortsFree(wantedPorts(record));
  const binaries = found ?? await options.findEtcd(record.spec);
  signal.throwIfAborted();
  await writeRecord(paths, record);
  await createDataDir(paths.etcd);

  report?.({ etcdVersion: versionText(binaries.version) });
  const member = stack.use(
    new MemberPart(memberInput(record, { paths, binaries }), { report }),
  );
  // From here on all is done by the two parts, with rights of their own.
  await Promise.all([
    member.untilServing({ signal }),
    dropPermissions({ sockets: options.sockets, after: [member, store] }),
  ]);
  logger("agent").info("Successfully initialized etcd", {
    version: versionText(binaries.version),
    endpoint: clientEndpoints(record)[0],
  });
  await store.serve({
    onCluster: ({ uid, spec }) =>
      member.remember({
        ...record,
        state: "ready",
        clusterUid: uid,
        spec: { ...spec, dataDir: record.spec.dataDir },
      }),
    report,
    signal: AbortSignal.any([signal, member.failed]),
  });
  if (member.failed.aborted) throw member.failed.reason;
}

function memberInput(
  record: NodeRecord,
  { paths, binaries }: {
    readonly paths: DataPaths;
    readonly binaries: EtcdBinaries;
  },
): MemberInput {
  return {
    dataDir: paths.root,
    etcd: {
      binary: binaries.etcd,
      version: binaries.version,
      member: planMember(record, paths.etcd),
      logFile: paths.etcdLog,
      pidFile: paths.etcdPid,
    },
    nodeName: record.nodeName,
    members: record.initialCluster,
  };
}

function storeInput(
  record: NodeRecord,
  { wantedSpec }: ServeOptions,
): StoreInput {
  const { clusterUid: uid } = record;
  return {
    endpoints: clientEndpoints(record),
    nodeName: record.nodeName,
    members: record.initialCluster,
    entry: record.state === "ready" && uid !== undefined
      ? { kind: "return", uid, wantedSpec }
      : { kind: "make", spec: record.spec, wantedSpec },
  };
}

/** What can fail before a new directory is made, so that nothing is left of a failure. */
async function prepareFresh(
  record: NodeRecord,
  { findEtcd }: ServeOptions,
): Promise<EtcdBinaries> {
  await assertPortsFree(wantedPorts(record));
  return await findEtcd(record.spec);
}

/** Ends the etcd that an agent left behind when it was killed. */
async function endLeftover(paths: DataPaths): Promise<void> {
  const orphan = await findOrphan(paths.etcdPid, paths.etcd);
  if (orphan) await endOrphan(orphan, { graceMs: ORPHAN_GRACE_MS });
  await assertUnlocked(paths.etcd);
}

function warnOfPlainHttp({ advertiseAddress }: NodeRecord): void {
  if (isLoopback(advertiseAddress)) return;
  logger("agent").warn(
    "etcd is reachable from other machines without encryption or password: keep its ports inside a network you trust",
    { address: advertiseAddress },
  );
}
