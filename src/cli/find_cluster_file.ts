/**
 * Where cluster.kat is if the command line does not say, and a new one where
 * there is none.
 *
 * @module
 */

import { hostname } from "node:os";
import { dirname, resolve } from "node:path";
import type { NodeRecord } from "../agent/node_record.ts";
import { KatError, messageOf, UsageError } from "../base/errors.ts";
import { defaultClusterFile } from "../config/default_data_dir.ts";
import type { Context } from "./command.ts";
import { givenDataDir, usualDataDir } from "./flag_values.ts";

/** A cluster.kat, or the place for one. */
export interface ClusterFile {
  /** Its path. */
  readonly path: string;
  /** What is to be written there; `undefined` if the file is there, or was named. */
  readonly text?: string | undefined;
  /** Whether that is for a new cluster, and not for a node that is there. */
  readonly isNew?: boolean | undefined;
}

/** What the command line says of it. */
export interface ClusterFileFlags {
  /** `--config`. */
  readonly config?: string | undefined;
  /** `--data-dir`. */
  readonly dataDir?: string | undefined;
}

const LOCAL = "cluster.kat";
const HOW_TO_NAME =
  "Make one where you can write, kat-agent config new FILE, and give it with --config FILE";

/**
 * The file that is named, else the one in the current directory, else the
 * user's; where none is, the text of a new one of the user's. Writes nothing.
 *
 * @throws {KatError} if another user can change a file that was not named, or
 * there is no place for a new one.
 */
export async function findClusterFile(
  flags: ClusterFileFlags,
  context: Context,
): Promise<ClusterFile> {
  if (flags.config !== undefined) return { path: flags.config };
  if (await isThere(LOCAL)) return { path: await ownLocalFile() };
  const path = defaultClusterFile({ uid: Deno.uid(), env: context.env });
  if (path === undefined) {
    throw new UsageError(
      "Cannot tell where cluster.kat is: HOME is not set",
      { hint: HOW_TO_NAME },
    );
  }
  if (await isThere(path)) return { path };
  const dataDir = givenDataDir(flags.dataDir, context) ??
    usualDataDir(context);
  const known = dataDir && await nodeIn(dataDir);
  return known
    ? { path, text: await textFor(known) }
    : { path, text: await newText(), isNew: true };
}

/** The text of a cluster.kat with which a node goes on as it was. */
async function textFor({ clusterName, spec }: NodeRecord): Promise<string> {
  const { newClusterFile } = await import("../config/new_cluster_file.ts");
  return newClusterFile({ name: clusterName, spec });
}

/**
 * The text of a cluster.kat for a new cluster on this machine.
 *
 * @throws {KatError} if all networks are in use.
 */
export async function newText(): Promise<string> {
  const { newClusterFile } = await import("../config/new_cluster_file.ts");
  const { readRoutes } = await import("../base/routes.ts");
  const { chooseFreeNetworks } = await import("../config/free_networks.ts");
  const { clusterNameOf } = await import("../config/host_names.ts");
  return newClusterFile({
    name: clusterNameOf(hostname()),
    spec: chooseFreeNetworks(await readRoutes()),
    isChosen: true,
  });
}

async function nodeIn(dataDir: string): Promise<NodeRecord | undefined> {
  const { anyDataDirectory, inspectDataDirectory } = await import(
    "../agent/data_directory.ts"
  );
  return await inspectDataDirectory(await anyDataDirectory(dataDir));
}

/**
 * Writes a new cluster.kat, with the directories above it. One that is there is
 * not changed.
 *
 * @throws {Deno.errors.AlreadyExists} if something is there.
 * @throws {KatError} if it cannot be written.
 */
export async function writeNewFile(path: string, text: string): Promise<void> {
  const { makeOwnDir } = await import("../base/files/own_dir.ts");
  const { makeOwn } = await import("../base/files/write_own.ts");
  // Settings are no secret, and a service of another user is to read root's.
  const mode = Deno.uid() === 0 ? 0o755 : 0o700;
  try {
    const directory = await makeOwnDir(dirname(resolve(path)), { mode });
    await makeOwn(resolve(directory, nameOf(path)), text, { mode: 0o644 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw error;
    const { fileTrouble } = await import("../base/files/file_trouble.ts");
    const why = error instanceof Deno.errors.NotADirectory
      ? "a part of the path is not a directory"
      : fileTrouble(error).reason;
    throw new KatError(`Cannot write ${JSON.stringify(path)}: ${why}`, {
      cause: error,
      hint: error instanceof KatError && error.hint
        ? `${error.hint}; or print it: kat-agent config new > FILE`
        : HOW_TO_NAME,
    });
  }
}

function nameOf(path: string): string {
  return resolve(path).replace(/^.*\//, "");
}

/** Whether there is something; what this user cannot even look at is not. */
async function isThere(path: string): Promise<boolean> {
  try {
    const { entryAt } = await import("../base/files/checked_path.ts");
    return await entryAt(path) !== undefined;
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.PermissionDenied ||
      error instanceof Deno.errors.NotCapable ||
      error instanceof Deno.errors.NotADirectory;
    if (isAbsent) return false;
    throw new KatError(`Cannot look for "${path}": ${messageOf(error)}`, {
      cause: error,
      hint: "Give a cluster.kat with --config",
    });
  }
}

/** In a directory such as `/tmp` another user may have put it there, for whoever comes. */
async function ownLocalFile(): Promise<string> {
  const { checkedPath } = await import("../base/files/checked_path.ts");
  const { PathError } = await import("../base/files/untrusted_path.ts");
  try {
    await checkedPath(resolve(LOCAL));
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
    throw new KatError(
      `Cannot use the cluster.kat in this directory without being asked: ${
        JSON.stringify(error.at)
      }: ${error.reason}`,
      {
        cause: error,
        hint: "If you trust it, name it: --config cluster.kat",
      },
    );
  }
  return LOCAL;
}
