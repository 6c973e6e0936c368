/**
 * The register of nodes: that a data directory was a node's is noted outside of
 * it, in a small file for each directory. A directory whose disk was not
 * mounted, or that was removed, is then not taken for a new one.
 *
 * The file is written before etcd first starts. A first start that came to
 * nothing takes it back; else only the user deletes it, which is how a new, empty
 * cluster is asked for in such a place.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { messageOf } from "../../base/errors.ts";
import { makeOwnDir } from "../../base/files/own_dir.ts";
import { readOwnText } from "../../base/files/read_own.ts";
import { removeOwn, writeOwn } from "../../base/files/write_own.ts";
import { logger } from "../../base/log.ts";
import type { NodeRecord } from "../node_record.ts";
import type { Identity } from "./identity.ts";

/** What is noted of a node. */
export interface RegisteredNode {
  /** Its data directory. */
  readonly dataDir: string;
  /** Its name. */
  readonly nodeName: string;
  /** `metadata.name` of its cluster. */
  readonly clusterName: string;
  /** How many members its cluster was made of. */
  readonly members: number;
  /** The cluster's UUID, once known. */
  readonly clusterUid?: string | undefined;
  /** How far its store was at its last start. */
  readonly revision?: bigint | undefined;
}

/** What the register has on a data directory. */
export interface RegisterEntry {
  /** The file. */
  readonly path: string;
  /** What it says; `undefined` if that cannot be read any more. */
  readonly node: RegisteredNode | undefined;
}

/** Where to look. */
export interface RegisterPlace {
  /** The directory of the register; `undefined` if there is no place for one. */
  readonly stateDir: string | undefined;
  /** The data directory, as it was given or without links. */
  readonly dataDir: string;
}

const RegisteredSchema = v.object({
  dataDir: v.string(),
  nodeName: v.string(),
  clusterName: v.string(),
  members: v.number(),
  clusterUid: v.optional(v.string()),
  revision: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,19}$/),
      v.transform((text) => BigInt(text)),
    ),
  ),
});

/**
 * The file in which a data directory is noted; `undefined` if it cannot be,
 * because there is no other place than that directory.
 */
export async function notePath(
  { stateDir, dataDir }: RegisterPlace,
): Promise<string | undefined> {
  if (stateDir === undefined || isUnder(dataDir, stateDir)) return undefined;
  const bytes = new TextEncoder().encode(dataDir);
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  // The name of the directory is for people, the number tells them apart.
  const name = basename(dataDir).replaceAll(/[^\w.-]/g, "_").slice(0, 40);
  return join(stateDir, `${name}-${sum.toHex().slice(0, 12)}.json`);
}

/**
 * Looks up what was noted of a data directory. What cannot be read counts as
 * none, and the log says so.
 */
export async function findRegistered(
  place: RegisterPlace,
): Promise<RegisterEntry | undefined> {
  try {
    const path = await notePath(place);
    const text = path && await readOwnText(path);
    return path === undefined || text === undefined
      ? undefined
      : { path, node: decode(text) };
  } catch (error) {
    warn("Cannot read the register of nodes", place, messageOf(error));
    return undefined;
  }
}

/** Notes a node before its etcd starts; the log says if that is not possible. */
export async function registerNode(
  place: RegisterPlace,
  record: NodeRecord,
  identity: Identity | undefined,
): Promise<void> {
  const path = await notePath(place);
  if (path === undefined) {
    const why = place.stateDir === undefined
      ? "there is no place for it"
      : "its place is in the data directory";
    return warn(NOT_NOTED, place, why);
  }
  const text = encode({
    dataDir: place.dataDir,
    nodeName: record.nodeName,
    clusterName: record.clusterName,
    members: record.initialCluster.length,
    clusterUid: record.clusterUid,
    revision: identity?.revision,
  });
  try {
    await makeOwnDir(dirname(path), { parentMode: 0o755 });
    if (await readOwnText(path) !== text) await writeOwn(path, text);
  } catch (error) {
    warn(NOT_NOTED, place, messageOf(error));
  }
}

/** Forgets a node whose first start came to nothing, from a thread that may do no more than that. */
export async function unregisterNode(note: string | undefined): Promise<void> {
  if (note === undefined) return;
  await removeOwn(note, { within: dirname(note) }).catch((error) => {
    // Then the next start says what to delete.
    logger("agent").warn("Cannot forget this node in the register", {
      reason: messageOf(error),
    });
  });
}

const NOT_NOTED = "Cannot note this node in a register";

function encode({ revision, ...rest }: RegisteredNode): string {
  const whole = { ...rest, revision: revision?.toString() };
  return JSON.stringify(whole, undefined, 2) + "\n";
}

function decode(text: string): RegisteredNode | undefined {
  try {
    const parsed = v.safeParse(RegisteredSchema, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    // That there was a node is all that matters.
    return undefined;
  }
}

function warn(
  message: string,
  { stateDir }: RegisterPlace,
  reason: string,
): void {
  logger("agent").warn(message, {
    stateDir,
    reason,
    advice:
      "if the data directory is lost, init would begin anew there: give a lasting place with --state-dir",
  });
}

function isUnder(directory: string, path: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
