/**
 * The first step of a start: what is in the data directory, and what a node
 * refuses to become: another node, another cluster's, or one whose data does
 * not fit. Changes nothing.
 *
 * @module
 */

import { KatError } from "../../base/errors.ts";
import { compareSpecs } from "../../config/compare_specs.ts";
import { sharedSpec } from "../../config/shared_spec.ts";
import { inspectEtcdDataDir } from "../../etcd/data/etcd_data_dir.ts";
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

/**
 * Finds the node in a data directory, or the place for the one that is wanted;
 * without a wanted one, the node must be there.
 *
 * @throws {KatError} if it cannot be started; nothing was touched.
 */
export async function inspectNode(
  path: string,
  wanted?: WantedNode,
): Promise<InspectedNode> {
  const dataDir = await ownDataDirectory(path);
  const known = await inspectDataDirectory(dataDir);
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
  const membersOf = ({ initialCluster }: WantedNode) =>
    initialCluster.map(({ name, peerUrl }) => `${name}=${peerUrl}`).sort()
      .join(",");
  const settings = [
    ["metadata.name", known.clusterName, wanted.clusterName],
    ["--node-name", known.nodeName, wanted.nodeName],
    ["--advertise-address", known.advertiseAddress, wanted.advertiseAddress],
    ["--initial-cluster", membersOf(known), membersOf(wanted)],
  ] as const;
  for (const [setting, before, now] of settings) {
    if (before === now) continue;
    const Refusal = setting === "metadata.name" ? ConfigChangeError : KatError;
    throw new Refusal(
      `Cannot use the data directory "${dataDir}": it was made with ${setting} "${before}", not "${now}"`,
      {
        hint:
          "Give the same value again, or an empty directory with --data-dir; nothing was touched",
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
          ? "Restore it from a backup; nothing was touched"
          : "Move away what does not belong there; nothing was touched",
      },
    );
  }
  await checkWritable(paths.etcd);
}
