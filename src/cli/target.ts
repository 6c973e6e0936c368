/**
 * Which cluster a command looks at: the one at `--endpoints`, else that of the
 * node in the data directory.
 *
 * @module
 */

import type { ClusterBinding } from "../etcd/client/cluster_binding.ts";
import type { EtcdStore } from "../store/etcd/etcd_store.ts";
import type { Context } from "./command.ts";
import { existingDataDir, givenEndpoints } from "./flag_values.ts";

/** What the command line says of the target. */
export interface TargetFlags {
  /** `--data-dir`. */
  readonly dataDir?: string | undefined;
  /** `--endpoints`. */
  readonly endpoints?: string | undefined;
}

/** Where a cluster is. */
export interface Target {
  /** Client URLs of the members. */
  readonly endpoints: readonly string[];
  /** The node, if its data directory named the URLs. */
  readonly nodeName?: string;
  /** That data directory. */
  readonly dataDir?: string;
  /** The ID of the node's cluster, if it is known: what answers for another one is not taken. */
  readonly clusterId?: string | undefined;
}

/**
 * Finds the cluster to look at.
 *
 * @throws {KatError} if no node and no endpoint is known.
 */
export async function findTarget(
  flags: TargetFlags,
  context: Context,
): Promise<Target> {
  const endpoints = await givenEndpoints(flags.endpoints, context);
  if (endpoints !== undefined) return { endpoints };
  const { anyDataDirectory, inspectDataDirectory } = await import(
    "../agent/data_directory.ts"
  );
  const { clientEndpoints } = await import("../agent/node/plan_node.ts");
  const { explainDenied, noNodeError } = await import("./no_node_error.ts");
  const wanted = existingDataDir(flags.dataDir, context);
  const place = { dataDir: wanted, uid: Deno.uid(), env: context.env };
  let dataDir, record;
  try {
    dataDir = await anyDataDirectory(wanted);
    record = await inspectDataDirectory(dataDir);
  } catch (error) {
    throw await explainDenied(error, place);
  }
  if (record === undefined) throw await noNodeError(place);
  const { nodeName } = record;
  return {
    endpoints: clientEndpoints(record),
    nodeName,
    dataDir,
    clusterId: await knownId(dataDir),
  };
}

/** The cluster of the node in a data directory; `undefined` if it is not known yet, or cannot be read. */
async function knownId(dataDir: string): Promise<string | undefined> {
  const { dataPaths } = await import("../agent/data_directory.ts");
  const { readIdentity } = await import("../agent/identity/identity.ts");
  // That the file is damaged, the agent says.
  const identity = await readIdentity(dataPaths(dataDir).identity)
    .catch(() => undefined);
  return identity?.clusterId;
}

/** The one cluster whose answers a command takes, whichever of its parts asks. */
export async function bindTo(
  { clusterId }: Pick<Target, "clusterId">,
): Promise<ClusterBinding> {
  const { ClusterBinding } = await import("../etcd/client/cluster_binding.ts");
  return new ClusterBinding(clusterId);
}

/** Opens the store of the cluster to look at. */
export async function openStore(
  flags: TargetFlags,
  context: Context,
): Promise<EtcdStore> {
  const target = await findTarget(flags, context);
  const { EtcdStore } = await import("../store/etcd/etcd_store.ts");
  const { endpoints } = target;
  return new EtcdStore({ endpoints, cluster: await bindTo(target) });
}
