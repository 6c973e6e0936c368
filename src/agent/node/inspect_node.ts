/**
 * The first step of a start: what is in the data directory, and what a node
 * refuses to become: another node, another cluster's, or one whose data does
 * not fit. Changes nothing.
 *
 * @module
 */

import { join } from "node:path";
import { KatError } from "../../base/errors.ts";
import { entryAt, linkTarget } from "../../base/files/checked_path.ts";
import { compareSpecs } from "../../config/compare_specs.ts";
import { sharedSpec } from "../../config/shared_spec.ts";
import { inspectEtcdDataDir } from "../../etcd/data/etcd_data_dir.ts";
import { replaceMember } from "../../etcd/process/replace_member.ts";
import { portOf, urlOf } from "../../base/url.ts";
import { clientEndpoints } from "./plan_node.ts";
import { checkWritable } from "../../etcd/data/writable_dir.ts";
import {
  ConfigChangeError,
  refuseFixed,
} from "../../cluster/cluster_record.ts";
import {
  type DataPaths,
  dataPaths,
  inspectDataDirectory,
  ownDataDirectory,
} from "../data_directory.ts";
import type { NodeRecord } from "../node_record.ts";
import type { WantedNode } from "./wanted_node.ts";

/** A node that may be started. */
export interface InspectedNode {
  /** What it knows, with what is wanted of it now. */
  readonly record: NodeRecord;
  /** Where its files are. */
  readonly paths: DataPaths;
  /** Whether the directory has not been used before. */
  readonly isFresh: boolean;
}

/** Options of {@linkcode inspectNode}. */
export interface InspectOptions {
  /** Whether `--advertise-address` was given; else a node that is alone keeps what it has. @default {true} */
  readonly isAddressGiven?: boolean | undefined;
}

/** A node that is alone keeps its address unless another is given. */
function withAddressOf(wanted: WantedNode, known: NodeRecord): WantedNode {
  const { advertiseAddress } = known;
  if (!isAlone(known) || !isAlone(wanted)) return wanted;
  const peerUrl = urlOf(advertiseAddress, wanted.spec.etcdPeerPort);
  return {
    ...wanted,
    advertiseAddress,
    initialCluster: wanted.initialCluster.map((one) => ({ ...one, peerUrl })),
  };
}

function isAlone({ initialCluster }: WantedNode): boolean {
  return initialCluster.length === 1;
}

/**
 * Finds the node in a data directory, or the place for the one that is wanted;
 * without a wanted one, the node must be there.
 *
 * @throws {KatError} if it cannot be started; nothing was touched.
 */
export async function inspectNode(
  path: string,
  given?: WantedNode,
  { isAddressGiven = true }: InspectOptions = {},
): Promise<InspectedNode> {
  const dataDir = await ownDataDirectory(path);
  const known = await inspectDataDirectory(dataDir);
  const wanted = given && known && !isAddressGiven
    ? withAddressOf(given, known)
    : given;
  if (known && wanted) await refuseAnotherNode(known, wanted, dataDir);
  const record = wanted ? asWanted(known, wanted) : known;
  if (record === undefined) {
    throw new KatError(
      `Cannot run: the data directory "${dataDir}" holds no node`,
      {
        hint:
          "Name its directory with --data-dir, make a cluster with kat-agent init --config FILE, or use an existing etcd with --endpoints",
      },
    );
  }
  const paths = dataPaths(dataDir);
  await refuseUnfitData(record, paths);
  return { record, paths, isFresh: known === undefined };
}

/**
 * The record of a node that is made or continued with what cluster.kat says.
 * Until it knows what it last applied, that is the configuration it remembers.
 */
function asWanted(known: NodeRecord | undefined, wanted: WantedNode) {
  const { appliedSpec = known && sharedSpec(known.spec) } = known ?? {};
  return {
    state: "initialising" as const,
    ...known,
    ...wanted,
    ...(appliedSpec ? { appliedSpec } : {}),
  };
}

/**
 * The node must be the same one: etcd would silently keep its old identity.
 * Until etcd has one nothing is fixed, and until the cluster is known its store
 * decides about the configuration.
 *
 * @throws {KatError} naming the setting with both values.
 */
async function refuseAnotherNode(
  known: NodeRecord,
  wanted: WantedNode,
  dataDir: string,
): Promise<void> {
  if (known.state === "ready") {
    refuseFixed(compareSpecs(known.spec, wanted.spec));
  } else {
    const { kind } = await inspectEtcdDataDir(dataPaths(dataDir).etcd);
    if (kind === "absent" || kind === "empty") return;
  }
  // etcd is told of a new address once it serves; with peers it would have to
  // reach them first, and they it.
  const mayMove = isAlone(known) && isAlone(wanted);
  const membersOf = ({ initialCluster }: WantedNode) =>
    initialCluster.map(({ name, peerUrl }) =>
      mayMove ? `${name}=:${portOf(peerUrl)}` : `${name}=${peerUrl}`
    ).sort().join(",");
  const settings = [
    ["metadata.name", known.clusterName, wanted.clusterName],
    ["--node-name", known.nodeName, wanted.nodeName],
    ...mayMove ? [] : [
      [
        "--advertise-address",
        known.advertiseAddress,
        wanted.advertiseAddress,
      ] as const,
    ],
    ["--initial-cluster", membersOf(known), membersOf(wanted)],
  ] as const;
  for (const [setting, before, now] of settings) {
    if (before === now) continue;
    const Refusal = setting === "metadata.name" ? ConfigChangeError : KatError;
    throw new Refusal(
      `Cannot use the data directory "${dataDir}": it was made with ${setting} "${before}", not "${now}"`,
      {
        hint: setting === "--advertise-address"
          ? "Give the same value again, and the machine the same address: this version of kat-agent cannot change the address of one of several nodes; nothing was touched"
          : "Give the same value again, or an empty directory with --data-dir; nothing was touched",
      },
    );
  }
}

/**
 * Refuses an etcd directory that does not fit what the node remembers, or that
 * etcd could not write to.
 *
 * @throws {KatError} with the reason.
 */
async function refuseUnfitData(
  record: NodeRecord,
  paths: DataPaths,
): Promise<void> {
  await refuseLinks(paths);
  const { kind, reasons } = await inspectEtcdDataDir(paths.etcd);
  const lost = record.state === "ready" && kind !== "member";
  if (kind === "foreign" || lost) {
    const why = kind === "absent" || kind === "empty"
      ? "etcd's data is gone"
      : reasons.join(", ");
    throw new KatError(
      `Cannot use the data directory "${paths.etcd}": ${why}`,
      {
        hint: lost
          ? lostHint(record)
          : "Move away what does not belong there; nothing was touched",
      },
    );
  }
  await checkWritable(paths.etcd);
}

/**
 * The thread that runs etcd may look at nothing outside of the data directory,
 * and so cannot follow a link that leads out of it.
 *
 * @throws {KatError} for a directory above etcd's database that is a link.
 */
async function refuseLinks({ root, etcd }: DataPaths): Promise<void> {
  const member = join(etcd, "member");
  for (const path of [etcd, member, join(member, "snap")]) {
    if ((await entryAt(path))?.isDirectory) continue;
    const target = await linkTarget(path);
    // What else is wrong there, the next look says.
    if (target === undefined) return;
    throw new KatError(
      `Cannot use the data directory ${JSON.stringify(root)}: ${
        JSON.stringify(path)
      } is a symbolic link to ${JSON.stringify(target)}`,
      {
        hint:
          "To have etcd's data on another disk, mount that disk there, or move the whole data directory to it and name it with --data-dir; nothing was touched",
      },
    );
  }
}

/** One of several nodes gets its data from the others. */
function lostHint(record: NodeRecord): string {
  const { nodeName, initialCluster, advertiseAddress, spec } = record;
  const restore = "Restore it from a backup; nothing was touched";
  if (initialCluster.length === 1) return restore;
  return `${restore}. Without one, move this data directory away and ${
    replaceMember({
      name: nodeName,
      peerUrl: urlOf(advertiseAddress, spec.etcdPeerPort),
      initialCluster,
      clientUrls: clientEndpoints(record),
    })
  }`;
}
