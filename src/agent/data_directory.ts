/**
 * A node's directory: what is in it, whose it is, and that one agent uses it.
 *
 * Looking changes nothing, so that every refusal leaves it as it was.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { KatError } from "../base/errors.ts";
import {
  checkedPath,
  lookAtPath,
  pathOfAny,
} from "../base/files/checked_path.ts";
import { fileTrouble } from "../base/files/file_trouble.ts";
import { NoLocksError, tryLock } from "../base/files/lock_own.ts";
import { openOwn } from "../base/files/open_own.ts";
import { namesInOwn, readOwnText } from "../base/files/read_own.ts";
import { isTemporary, removeOwn, writeOwn } from "../base/files/write_own.ts";
import { createDataDir } from "../etcd/data/etcd_data_dir.ts";
import {
  decodeNodeRecord,
  encodeNodeRecord,
  type NodeRecord,
} from "./node_record.ts";

/** Where things are in a data directory. */
export interface DataPaths {
  /** The directory itself. */
  readonly root: string;
  /** What the node remembers. */
  readonly record: string;
  /** Whose data its etcd holds, and how far it was. */
  readonly identity: string;
  /** Locked by the agent that uses the directory; holds its process ID. */
  readonly lock: string;
  /** etcd's own directory. */
  readonly etcd: string;
  /** etcd's log. */
  readonly etcdLog: string;
  /** The etcd that was started last. */
  readonly etcdPid: string;
}

/** Names that may stand in a data directory before an agent has used it. */
const HARMLESS: ReadonlySet<string> = new Set([
  "agent.lock",
  "backups",
  "cache",
  "lost+found",
  "volumes",
]);

/** Names that only a node of kat-agent writes; with one of them, node.json is what is missing. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  "etcd.log",
  "etcd.log.1",
  "etcd.pid",
  "identity.json",
]);

/** The paths in the data directory at `root`. */
export function dataPaths(root: string): DataPaths {
  return {
    root,
    record: join(root, "node.json"),
    identity: join(root, "identity.json"),
    lock: join(root, "agent.lock"),
    etcd: join(root, "etcd"),
    etcdLog: join(root, "etcd.log"),
    etcdPid: join(root, "etcd.pid"),
  };
}

/**
 * The directory of a node that is to be started, without links.
 *
 * @throws {KatError} if another user can change it or what leads to it.
 */
export async function ownDataDirectory(path: string): Promise<string> {
  try {
    return await checkedPath(path);
  } catch (error) {
    throw notUsable(path, error);
  }
}

/**
 * The directory of a node that is only looked at, without links: it may be
 * another user's, as that of the service is to root.
 *
 * @throws {KatError} if it cannot be reached.
 */
export async function anyDataDirectory(path: string): Promise<string> {
  try {
    return await pathOfAny(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return path;
    throw notUsable(path, error);
  }
}

/**
 * Reads what the node at `root`, a path without links, remembers; `undefined`
 * if the directory is absent or has not been used yet. Changes nothing. Files
 * are believed that belong to root or to the directory's owner.
 *
 * @throws {KatError} if it is another program's, damaged, or not to be read.
 */
export async function inspectDataDirectory(
  root: string,
): Promise<NodeRecord | undefined> {
  const paths = dataPaths(root);
  const names = await namesIn(root);
  if (names.includes("node.json")) {
    const text = await readDataFile(paths.record) ?? "";
    return decodeNodeRecord(text, paths.record);
  }
  const foreign = names
    .filter((name) => !HARMLESS.has(name) && !isTemporary(name)).sort();
  if (foreign.length === 0) return undefined;
  if (foreign.some((name) => OWN_NAMES.has(name))) {
    throw new KatError(
      `Cannot use the data directory "${root}": node.json is missing from it`,
      {
        hint:
          "It belongs to a node of kat-agent and was not touched: restore node.json, or the whole directory, from a backup",
      },
    );
  }
  throw new KatError(
    `Cannot use the data directory "${root}": it holds "${
      foreign.slice(0, 3).join('", "')
    }"${foreign.length > 3 ? ", …" : ""} and no node.json of kat-agent`,
    {
      hint:
        "It belongs to another program and was not touched: give an empty directory with --data-dir",
    },
  );
}

/** A data directory that this process has locked. */
export class DataDirectory implements Disposable {
  /** Where things are in it. */
  readonly paths: DataPaths;
  readonly #lock: Deno.FsFile;

  private constructor(paths: DataPaths, lock: Deno.FsFile) {
    this.paths = paths;
    this.#lock = lock;
  }

  /**
   * Makes the directory if need be (mode 0700) and locks it. From then on all
   * that this process and its children make is closed to other users from its
   * first moment and open to its own, whatever umask the agent was started
   * with: etcd has modes of its own for some files only.
   *
   * @throws {KatError} if it cannot be made, or another agent uses it.
   */
  static async open(
    root: string,
    { isFresh = false }: OpenOptions = {},
  ): Promise<DataDirectory> {
    const paths = dataPaths(await ownDataDirectory(root));
    // Before the directory is closed to others: a refusal changes nothing.
    await refuseStrange(paths.lock);
    Deno.umask(0o077);
    const made = await missingIn(paths.lock);
    await createDataDir(paths.root);
    const lock = await openLock(paths.lock);
    try {
      if (!await tryLock(lock, { path: paths.lock })) {
        throw await usedByAnother(paths, { isFresh });
      }
      await removeTemporary(paths.root);
      // The number is for people; the lock itself ends with the process.
      await lock.truncate(0);
      await lock.write(new TextEncoder().encode(`${Deno.pid}\n`));
    } catch (error) {
      lock.close();
      // Of a place that cannot be locked nothing is to be left.
      if (error instanceof NoLocksError) await removeMade(made);
      throw notUsable(paths.lock, error);
    }
    return new DataDirectory(paths, lock);
  }

  /** Lets the next agent have it. */
  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** Replaces what the node remembers; the directory is locked by this agent. */
export async function writeRecord(
  { record: path }: DataPaths,
  record: NodeRecord,
): Promise<void> {
  const text = encodeNodeRecord(record);
  const within = dirname(path);
  if (await readOwnText(path, { within }).catch(() => "") === text) return;
  await writeOwn(path, text, { within }).catch((error) => {
    throw notUsable(path, error);
  });
}

/**
 * Refuses a directory that was fresh when it was looked at, and in which another
 * agent makes its node meanwhile. Makes and changes nothing.
 *
 * @throws {KatError} naming the other agent's process.
 */
export async function refuseAnotherMaker(root: string): Promise<void> {
  const paths = dataPaths(root);
  let lock: Deno.FsFile;
  try {
    lock = await openOwn(paths.lock, { write: true });
  } catch {
    // There is none, or what is wrong with it is said when it is needed.
    return;
  }
  using file = lock;
  const isFree = await tryLock(file, { path: paths.lock }).catch(() => true);
  if (!isFree) throw await usedByAnother(paths, { isFresh: true });
}

/** Options of {@linkcode DataDirectory.open}. */
interface OpenOptions {
  /** Whether there was no node in it. @default {false} */
  readonly isFresh?: boolean | undefined;
}

async function usedByAnother(
  { root, lock }: DataPaths,
  { isFresh }: OpenOptions,
): Promise<KatError> {
  const pid = (await readDataFile(lock) ?? "").replaceAll("\0", "").trim();
  const process = pid === "" ? "" : ` (process ${pid})`;
  return new KatError(
    `Cannot use the data directory "${root}": another kat-agent ${
      isFresh ? "is making its node" : "uses it"
    }${process}`,
    {
      hint: isFresh
        ? "That one serves the node; for a second node, give another --data-dir"
        : "Stop that one first, or give another --data-dir",
    },
  );
}

/**
 * Removes what a first start has made that came to nothing, so that the next
 * one finds the directory as this one did. The lock stays, for it is held.
 */
export async function removeNewNode(root: string): Promise<void> {
  const { record, etcd, etcdLog, etcdPid } = dataPaths(root);
  for (const path of [etcd, etcdLog, etcdPid, record]) {
    await removeOwn(path, { recursive: path === etcd, within: root })
      .catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) {
          throw notUsable(path, error);
        }
      });
  }
}

async function openLock(path: string): Promise<Deno.FsFile> {
  try {
    return await openOwn(path, { write: true, createMode: 0o600 });
  } catch (error) {
    throw notUsable(path, error);
  }
}

/**
 * Reads a small file directly in a data directory; `undefined` if there is
 * none. What is none of ours (a link, a pipe, a device, a huge file) is refused:
 * it could hang, or be another's.
 *
 * @throws {KatError} if it cannot be read, or is none of ours.
 */
export async function readDataFile(path: string): Promise<string | undefined> {
  try {
    return await readOwnText(path, { within: dirname(path) });
  } catch (error) {
    throw notUsable(path, error);
  }
}

/**
 * Refuses a lock that holds what no agent has written: it would be emptied. A
 * power cut may leave it empty, cut off or full of NULs.
 */
async function refuseStrange(path: string): Promise<void> {
  const text = await readDataFile(path);
  if (text === undefined || /^[\d\n\0]*$/.test(text)) return;
  throw new KatError(`Cannot use "${path}": it is not a file of kat-agent`, {
    hint:
      "Move that file away: kat-agent makes it anew. The data beside it is not affected",
  });
}

/** Removes what killed agents left of files that were being replaced; the directory is locked. */
async function removeTemporary(root: string): Promise<void> {
  for (const name of await namesIn(root)) {
    if (!isTemporary(name)) continue;
    await removeOwn(join(root, name), { within: root }).catch(() => {});
  }
}

/** The path and those above it that are not there, the lowest first. */
async function missingIn(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let at = path; (await lookAtPath(at)).entry === undefined;) {
    missing.push(at);
    at = dirname(at);
  }
  return missing;
}

/** Removes what was made, as far as nothing else is in it. */
async function removeMade(paths: readonly string[]): Promise<void> {
  for (const path of paths) await removeOwn(path).catch(() => {});
}

async function namesIn(root: string): Promise<string[]> {
  try {
    return await namesInOwn(root, { within: root });
  } catch (error) {
    throw notUsable(root, error);
  }
}

function notUsable(path: string, cause: unknown): KatError {
  if (cause instanceof KatError) return cause;
  const { reason, hint } = cause instanceof Deno.errors.NotADirectory
    ? { reason: "it is not a directory" }
    : fileTrouble(cause);
  return new KatError(`Cannot use "${path}": ${reason}`, {
    cause,
    hint: hint ??
      (cause instanceof Deno.errors.PermissionDenied
        ? "Give it to the user that runs kat-agent, with chown, or give a directory of yours with --data-dir"
        : "Give a directory of yours with --data-dir"),
  });
}
