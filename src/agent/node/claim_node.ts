/**
 * The second step of a start: a node takes its data directory and its ports for
 * itself, and finds the etcd to run in them.
 *
 * @module
 */

import { abortable } from "../../base/abortable.ts";
import { KatError } from "../../base/errors.ts";
import type { ClusterSpec } from "../../config/cluster_config.ts";
import { assertUnlocked } from "../../etcd/data/data_dir_lock.ts";
import {
  createDataDir,
  inspectEtcdDataDir,
} from "../../etcd/data/etcd_data_dir.ts";
import { type DiskProbe, probeDisk } from "../../etcd/disk_probe.ts";
import { findOrphan } from "../../etcd/process/etcd_pid_file.ts";
import { assertPortsFree } from "../../etcd/process/port_holder.ts";
import type { EtcdBinaries } from "../../etcd/release/etcd_binaries.ts";
import type { KnownProgram } from "../../etcd/release/etcd_cache.ts";
import {
  DataDirectory,
  inspectDataDirectory,
  refuseAnotherMaker,
  writeRecord,
} from "../data_directory.ts";
import type { FormerEtcd } from "../../etcd/release/local_etcd.ts";
import { versionText } from "../../etcd/etcd_version.ts";
import type { Identity } from "../identity/identity.ts";
import { formerEtcd } from "../identity/former_etcd.ts";
import { refuseOtherData } from "../identity/refuse_identity.ts";
import type { EtcdSettings } from "../parts/member_part.ts";
import type { StorePart } from "../parts/store_part.ts";
import type { NodeRecord } from "../node_record.ts";
import { OrphanOwner } from "./orphan_owner.ts";
import { type NodePlan, planMember } from "./plan_node.ts";

/** What a node remembers of its etcd. */
export interface EtcdMemory {
  /** The program that it ran from a cache. */
  readonly known: KnownProgram | undefined;
  /** The etcd that wrote its data; `undefined` if it has none. */
  readonly former: FormerEtcd | undefined;
}

/** Options of {@linkcode claimNode}. */
export interface ClaimOptions {
  /** Whether the directory has not been used before. */
  readonly isFresh: boolean;
  /** Finds the etcd to run, downloading it if need be. */
  readonly findEtcd: (
    spec: ClusterSpec,
    memory: EtcdMemory,
  ) => Promise<EtcdBinaries>;
  /** Asks an orphan for its version. */
  readonly store: Pick<StorePart, "health" | "isAwaited" | "ready">;
  /** Cancels the step. */
  readonly signal: AbortSignal;
}

/** A node's place; disposing ends an orphan that is left in it, and lets the next agent have it. */
export interface ClaimedNode extends AsyncDisposable {
  /** What it knows, as it was written down. */
  readonly record: NodeRecord;
  /** How its etcd is to be run. */
  readonly etcd: EtcdSettings;
  /** An etcd that runs already and is to go on in place of a new one. */
  readonly adopted: OrphanOwner | undefined;
  /** Whose data it has, and how far they were. */
  readonly identity: Identity | undefined;
  /** How quick its disk is, if that was measured. */
  readonly probe: DiskProbe | undefined;
}

/**
 * Takes a node's place. What can fail without a trace comes before the first
 * write, and nothing that etcd has written is changed.
 *
 * @throws {KatError} if the place is taken, or its data belong to another.
 */
export async function claimNode(
  plan: NodePlan,
  { isFresh, findEtcd, store, signal }: ClaimOptions,
): Promise<ClaimedNode> {
  const { record, paths, ports, needsProbe } = plan;
  const find = async () =>
    await findEtcd(record.spec, {
      known: record.knownEtcd,
      former: isFresh ? undefined : await formerEtcd(record, paths),
    });
  // The directory does not exist yet, so a failure leaves no trace.
  if (isFresh) {
    await assertPortsFree(ports).catch(async (error) => {
      // If the ports are taken by this very node's etcd, the lock says so.
      await refuseAnotherMaker(paths.root);
      throw error;
    });
  }
  const found = isFresh ? await find() : undefined;

  await using stack = new AsyncDisposableStack();
  stack.use(await DataDirectory.open(paths.root, { isFresh }));
  if (isFresh) await refuseMadeMeanwhile(paths.root);
  const probing = needsProbe ? probeDisk(paths.root, { signal }) : undefined;
  const left = await findOrphan(paths.etcdPid, paths.etcd);
  const orphan = left && stack.use(new OrphanOwner(left));
  if (!orphan) await assertPlaceFree(plan);
  const { etcd: binary, version, known } = found ?? await find();
  signal.throwIfAborted();
  const identity = await refuseOtherData(record, { paths, version });
  const probe = await probing;
  const written = {
    ...record,
    knownEtcd: known ?? record.knownEtcd,
    lastEtcd: {
      binary,
      version: versionText(version),
      sha256: known?.sha256,
    },
  };
  await writeRecord(paths, written);
  await createDataDir(paths.etcd);

  const member = {
    ...planMember(plan, probe),
    joinsExisting: await isAwaited(plan, { store, signal }),
  };
  // An orphan has to answer within a time, which loading must not use up.
  if (orphan) await abortable(store.ready, signal);
  const { health } = store;
  const isAdopted =
    await orphan?.adoptOrStop({ binary, version, member, health }) ?? false;
  if (orphan && !isAdopted) await assertPlaceFree(plan);
  signal.throwIfAborted();
  const place = stack.move();
  return {
    record: written,
    etcd: {
      binary,
      version,
      member,
      logFile: paths.etcdLog,
      pidFile: paths.etcdPid,
    },
    adopted: isAdopted ? orphan : undefined,
    identity,
    probe,
    [Symbol.asyncDispose]: () => place.disposeAsync(),
  };
}

/** Another agent may have made the node, and ended, since the directory was looked at. */
async function refuseMadeMeanwhile(root: string): Promise<void> {
  if (await inspectDataDirectory(root) === undefined) return;
  throw new KatError(
    `Cannot use the data directory "${root}": another kat-agent has made its node meanwhile`,
    { hint: "Run the same command again to continue it" },
  );
}

/**
 * Whether the cluster of this node exists and waits for it, without data: it has
 * been told of the member anew because the former one was lost.
 */
async function isAwaited(
  { members, endpoints, paths, record }: NodePlan,
  { store, signal }: Pick<ClaimOptions, "store" | "signal">,
): Promise<boolean> {
  const [, ...others] = endpoints;
  const own = members.find(({ name }) => name === record.nodeName);
  if (own === undefined || others.length === 0) return false;
  const { kind } = await inspectEtcdDataDir(paths.etcd);
  if (kind === "member" || kind === "foreign") return false;
  const { peerUrl } = own;
  return await store.isAwaited({ endpoints: others, peerUrl }, { signal });
}

/** No other etcd has the data, and no other program the ports. */
async function assertPlaceFree({ paths, ports }: NodePlan): Promise<void> {
  await assertUnlocked(paths.etcd);
  await assertPortsFree(ports);
}
