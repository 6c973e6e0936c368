/**
 * Which cluster a command looks at: the one at `--endpoints`, else that of the
 * node in the data directory.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
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
  const dataDir = await anyDataDirectory(
    existingDataDir(flags.dataDir, context),
  );
  const record = await inspectDataDirectory(dataDir);
  if (record === undefined) {
    throw new KatError(`Cannot find a node in "${dataDir}"`, {
      hint:
        "Give its directory with --data-dir, or a cluster with --endpoints; for the node of a service, use sudo",
    });
  }
  const { nodeName } = record;
  return { endpoints: clientEndpoints(record), nodeName, dataDir };
}

/** Opens the store of the cluster to look at. */
export async function openStore(
  flags: TargetFlags,
  context: Context,
): Promise<EtcdStore> {
  const { endpoints } = await findTarget(flags, context);
  const { EtcdStore } = await import("../store/etcd/etcd_store.ts");
  return new EtcdStore({ endpoints });
}
