/**
 * Puts a node together: directory, etcd, store, cluster, election. Starts them
 * in the order of the lines and stops them in the reverse.
 *
 * @module
 */

import { isLoopback } from "../../base/url.ts";
import { dropPermissions } from "../../base/drop_permissions.ts";
import { KatError } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { settleMemory } from "../../base/settle_memory.ts";
import type { ClusterSpec } from "../../config/cluster_config.ts";
import { type DiskProbe, probeDisk } from "../../etcd/disk_probe.ts";
import type { EtcdBinaries } from "../../etcd/release/etcd_binaries.ts";
import { assertUnlocked } from "../../etcd/data/data_dir_lock.ts";
import { createDataDir } from "../../etcd/data/etcd_data_dir.ts";
import { findOrphan } from "../../etcd/process/etcd_pid_file.ts";
import { deriveTiming } from "../../etcd/etcd_timing.ts";
import { versionText } from "../../etcd/etcd_version.ts";
import { assertPortsFree } from "../../etcd/process/port_holder.ts";
import {
  DataDirectory,
  type DataPaths,
  dataPaths,
  inspectDataDirectory,
  writeRecord,
} from "../data_directory.ts";
import { OrphanOwner } from "./orphan_owner.ts";
import { type MemberInput, MemberPart } from "../parts/member_part.ts";
import { clientEndpoints, planMember, wantedPorts } from "./member_plan.ts";
import type { NodeRecord } from "../node_record.ts";
import type { Report } from "../node_state.ts";
import { refuseAnotherNode, refuseUnfitData } from "./refuse_node.ts";
import { refuseOtherData } from "../identity/refuse_identity.ts";
import {
  type StoreEntry,
  type StoreHost,
  StorePart,
} from "../parts/store_part.ts";
import type { WantedNode } from "./wanted_node.ts";

/** What an agent needs besides. */
export interface AgentOptions {
  /** The data directory, absolute. */
  readonly dataDir: string;
  /** Says where that etcd will be, as far as a look at names can tell. */
  readonly guessEtcd?:
    | ((spec: ClusterSpec) => Promise<string | undefined>)
    | undefined;
  /** Finds the etcd to run, downloading it if need be. */
  readonly findEtcd: (spec: ClusterSpec) => Promise<EtcdBinaries>;
  /** Whether cluster.kat itself says `leaderLeaseSeconds`; unknown without the file. */
  readonly isLeaseGiven?: boolean | undefined;
  /** Sockets that the agent goes on to write to. */
  readonly sockets: readonly string[];
  /** Told how it goes. */
  readonly report?: Report | undefined;
  /** Ends the agent, in order. */
  readonly signal: AbortSignal;
}

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

  const members = record.initialCluster;

  await using stack = new AsyncDisposableStack();
  await refuseUnfitData(record, paths);
  // They load while etcd is looked for and checked.
  const placeOf = (binary: string) => ({
    dataDir,
    binary,
    members,
    member: planMember(record, paths.etcd),
  });
  const guessed = await options.guessEtcd?.(record.spec);
  const early = guessed === undefined
    ? undefined
    : stack.use(new MemberPart(placeOf(guessed)));
  const endpoints = clientEndpoints(record);
  const store = stack.use(new StorePart({ endpoints, members }));
  const found = fresh ? await prepareFresh(record, options) : undefined;
  stack.use(await DataDirectory.open(dataDir));
  // A member that is alone waits for nobody, and so not for its disk either.
  const probing = members.length > 1 && !record.timing
    ? probeDisk(dataDir, { signal })
    : undefined;
  const orphan = await findOrphan(paths.etcdPid, paths.etcd);
  const left = orphan && stack.use(new OrphanOwner(orphan));
  if (!left) await assertPlaceFree(record, paths);
  const binaries = found ?? await options.findEtcd(record.spec);
  signal.throwIfAborted();
  const { version } = binaries;
  const identity = await refuseOtherData(record, { paths, version });
  const probe = await probing;
  await writeRecord(paths, record);
  await createDataDir(paths.etcd);

  const input = memberInput(record, { paths, binaries, probe });
  const isAdopted = await left?.adoptOrStop(input.etcd) ?? false;
  if (left && !isAdopted) await assertPlaceFree(record, paths);
  signal.throwIfAborted();
  report?.({ etcdVersion: versionText(version) });
  // Only an etcd that is no child of ours takes a right of this thread to stop.
  const giveUpRights = (keep?: readonly ["run"]) =>
    dropPermissions({ sockets: options.sockets, after: [member, store], keep });
  const isGuessed = early?.binary === binaries.etcd;
  // One that is not what was guessed may not be run by the part that was.
  if (!isGuessed) await early?.[Symbol.asyncDispose]();
  // Held once more: etcd ends before the lock on its directory does.
  const member = stack.use(
    early && isGuessed ? early : new MemberPart(placeOf(binaries.etcd)),
  );
  let isPrepared = false;
  member.serve({ ...input, adoptPid: isAdopted ? left?.pid : undefined }, {
    report(news) {
      report?.(news);
      if (news.etcd?.state === "starting" && !isPrepared) {
        isPrepared = true;
        store.prepare({ endpoints });
      }
      // Now, and not when the lease has run out.
      if (news.etcd?.state === "exited") store.endTerm("its etcd ended");
    },
    adoptionHost: left && {
      signal: left.signal,
      lives: async () => {
        const lives = await left.lives();
        if (!lives) await giveUpRights();
        return lives;
      },
    },
  });
  report?.({ parts: [store, member] });
  using _memory = settleMemory();
  // From here on all is done by the two parts, with rights of their own.
  await Promise.all([
    member.untilServing({ signal }),
    giveUpRights(isAdopted ? ["run"] : undefined),
  ]);
  logger("agent").info("Successfully initialized etcd", {
    version: versionText(version),
    endpoint: endpoints[0],
  });
  await store.serve({
    endpoints,
    nodeName: record.nodeName,
    members,
    entry: entryOf(record, options),
    own: {
      identity,
      etcdVersion: versionText(version),
      timing: record.timing,
      electionKey: record.electionKey,
      probe,
      isLeaseGiven: options.isLeaseGiven,
    },
  }, {
    host: hostOf(member, record),
    report,
    signal: AbortSignal.any([signal, member.failed]),
  });
  if (member.failed.aborted) throw member.failed.reason;
}

function memberInput(
  record: NodeRecord,
  { paths, binaries, probe }: {
    readonly paths: DataPaths;
    readonly binaries: EtcdBinaries;
    readonly probe: DiskProbe | undefined;
  },
): MemberInput {
  const members = record.initialCluster;
  const timing = record.timing ??
    deriveTiming(probe?.p99Ms, { members: members.length });
  return {
    dataDir: paths.root,
    etcd: {
      binary: binaries.etcd,
      version: binaries.version,
      member: planMember({ ...record, timing }, paths.etcd),
      logFile: paths.etcdLog,
      pidFile: paths.etcdPid,
    },
    nodeName: record.nodeName,
    members,
  };
}

function entryOf(record: NodeRecord, { wantedSpec }: ServeOptions): StoreEntry {
  const { state, clusterUid: uid, spec } = record;
  return state === "ready" && uid !== undefined
    ? { kind: "return", uid, wantedSpec }
    : { kind: "make", spec, wantedSpec };
}

/** What the store part has done by the one that has files. */
function hostOf(member: MemberPart, record: NodeRecord): StoreHost {
  let known = record;
  let last = Promise.resolve();
  // One after the other, so that what is known last is what stays.
  const remember = (news: Partial<NodeRecord>) => {
    known = { ...known, ...news };
    return last = last.catch(() => {}).then(() => member.remember(known));
  };
  return {
    keepCluster: ({ uid, spec }) =>
      remember({
        state: "ready",
        clusterUid: uid,
        spec: { ...spec, dataDir: record.spec.dataDir },
      }),
    keepTiming: (timing) => remember({ timing }),
    keepElectionKey: (electionKey) => remember({ electionKey }),
    keepIdentity: (identity) => member.identify(identity),
    probeDisk: () => member.probeDisk(),
    diskSpace: () => member.diskSpace(),
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

/** No other etcd has the data, and no other program the ports. */
async function assertPlaceFree(
  record: NodeRecord,
  paths: DataPaths,
): Promise<void> {
  await assertUnlocked(paths.etcd);
  await assertPortsFree(wantedPorts(record));
}

function warnOfPlainHttp({ advertiseAddress }: NodeRecord): void {
  if (isLoopback(advertiseAddress)) return;
  logger("agent").warn(
    "etcd is reachable from other machines without encryption or password: keep its ports inside a network you trust",
    { address: advertiseAddress },
  );
}
