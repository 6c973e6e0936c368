/**
 * What a node refuses because of what was noted of it outside of its data
 * directory: to begin anew where a node was, and to go on from an older copy of
 * everything. Looking changes nothing.
 *
 * @module
 */

import { resolve } from "node:path";
import { KatError } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import {
  anyDataDirectory,
  inspectDataDirectory,
  ownDataDirectory,
} from "../data_directory.ts";
import type { NodeRecord } from "../node_record.ts";
import type { Identity } from "./identity.ts";
import {
  findRegistered,
  type RegisterEntry,
  type RegisterPlace,
} from "./node_register.ts";

/**
 * Refuses a data directory that was a node's and holds none now.
 *
 * @throws {KatError} saying which node it was, and how to begin anew.
 */
export async function refuseVanished(
  { stateDir, dataDir }: RegisterPlace,
): Promise<void> {
  const real = await ownDataDirectory(dataDir);
  // A link on the way may be what is missing.
  const entry = await findRegistered({ stateDir, dataDir: real }) ??
    await findRegistered({ stateDir, dataDir: resolve(dataDir) });
  if (entry === undefined) return;
  if (await inspectDataDirectory(real) !== undefined) return;
  const { why, hint } = describeVanished(entry, real);
  throw new KatError(`Cannot start: ${why}`, { hint });
}

/** Why a command finds no node where one was; `undefined` if none is known to have been there. */
export async function findVanished(
  place: RegisterPlace,
): Promise<KatError | undefined> {
  const entry = await findRegistered({
    ...place,
    dataDir: await anyDataDirectory(place.dataDir),
  });
  if (entry === undefined) return undefined;
  const { why, hint } = describeVanished(entry, place.dataDir);
  return new KatError(`Cannot find a node: ${why}`, { hint });
}

function describeVanished(
  { path, node }: RegisterEntry,
  dataDir: string,
): { readonly why: string; readonly hint: string } {
  const which = node === undefined
    ? "a node"
    : `node "${node.nodeName}" of the cluster "${node.clusterName}"`;
  const start = (node?.members ?? 1) > 1
    ? "If its data are lost for good"
    : "If its data are given up and a new, empty cluster is wanted there";
  const result = (node?.members ?? 1) > 1
    ? ": as long as the others serve, it says how this node gets its data from them"
    : "";
  return {
    why:
      `"${dataDir}" was the data directory of ${which}, and nothing of it is there now`,
    hint:
      `If its disk is not mounted, or it was moved or removed, put it back and start again. ${start}, delete "${path}" and run kat-agent init${result}`,
  };
}

/**
 * Notices that the whole data directory is an older copy, which takes its own
 * memory along: the register knows how far the store was at the last start on
 * this machine.
 *
 * @throws {KatError} if the node has peers, which have confirmed more since.
 */
export function refuseOlderCopy(
  entry: RegisterEntry | undefined,
  record: Pick<NodeRecord, "initialCluster" | "clusterUid">,
  identity: Identity | undefined,
): void {
  const { path, node } = entry ?? {};
  if (identity === undefined || node?.revision === undefined) return;
  // Another cluster's directory may have been put there.
  if (node.clusterUid !== record.clusterUid) return;
  if (identity.revision >= node.revision) return;
  const reason =
    `it was at revision ${identity.revision}, and this node has started at revision ${node.revision} before`;
  if (record.initialCluster.length > 1) {
    throw new KatError(
      `Cannot use the data directory "${node.dataDir}": it is an older copy: ${reason}`,
      {
        hint:
          `Put back the newest data there is, or replace this node as README says under "Replace a node"; nothing was touched. To go on from this copy, delete "${path}": what the other members have confirmed meanwhile may then be lost`,
      },
    );
  }
  logger("agent").error(
    "The data directory is an older copy: what was written since is lost, and fences of that time are given again",
    { reason },
  );
}
