/**
 * Which etcd wrote a node's data, as far as the node remembers it.
 *
 * @module
 */

import { parseEtcdVersion } from "../../etcd/etcd_version.ts";
import { inspectEtcdDataDir } from "../../etcd/data/etcd_data_dir.ts";
import type { FormerEtcd } from "../../etcd/release/local_etcd.ts";
import type { DataPaths } from "../data_directory.ts";
import type { NodeRecord } from "../node_record.ts";
import { readIdentity } from "./identity.ts";

/**
 * Returns the etcd that wrote the data, by `identity.json`; before that was
 * written, the one that was started last. `undefined` if there is no data, or
 * nothing is remembered.
 *
 * @throws {KatError} if what is remembered cannot be read.
 */
export async function formerEtcd(
  { lastEtcd }: Pick<NodeRecord, "lastEtcd">,
  paths: Pick<DataPaths, "identity" | "etcd">,
): Promise<FormerEtcd | undefined> {
  const identity = await readIdentity(paths.identity);
  const version = identity?.etcdVersion ?? lastEtcd?.version;
  if (version === undefined) return undefined;
  const { kind } = await inspectEtcdDataDir(paths.etcd);
  if (kind === "absent" || kind === "empty") return undefined;
  const cluster = identity?.clusterVersion;
  return {
    member: parseEtcdVersion(version),
    cluster: cluster === undefined ? undefined : parseEtcdVersion(cluster),
    binary: lastEtcd?.binary,
    sha256: lastEtcd?.sha256,
  };
}
