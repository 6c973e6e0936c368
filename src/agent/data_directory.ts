/**
 * A node's directory: what is in it, whose it is, and that one agent uses it.
 *
 * Looking changes nothing, so that every refusal leaves it as it was.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { KatError } from "../base/errors.ts";
import { checkedPath, pathOfAny } from "../base/files/checked_path.ts";
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
  static async open(root: string): Promise<DataDirectory> {
    const paths = dataPaths(await ownDataDirectory(root));
    // Before the directory is closed to others: a refusal changes nothing.
    await refuseStrange(paths.lock, /^\d*\n?$/);
    Deno.umask(0o077);
    await createDataDir(paths.root);
    const lock = await openLock(paths.lock);
    if (!await lock.tryLock(true)) {
      lock.close();
      const pid = (await readDataFile(paths.lock) ?? "").trim();
      throw new KatError(
        `Cannot use the data directory "${root}": another kat-agent uses it${
          pid === "" ? "" : ` (process ${pid})`
        }`,
        { hint: "Stop that one first, or give another --data-dir" },
      );
    }
    try {
      // The number is for people; the lock itself ends with the process.
      await lock.truncate(0);
      await lock.write(new TextEncoder().encode(`${Deno.pid}\n`));
    } catch (error) {
      lock.close();
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

/** Refuses a file that is there and does not hold what one of ours does. */
async function refuseStrange(path: string, ours: RegExp): Promise<void> {
  const text = await readDataFile(path);
  if (text === undefined || ours.test(text)) return;
  throw notUsable(path, new Error("it is not a file of kat-agent"));
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
  const why = cause instanceof Deno.errors.NotADirectory
    ? "it is not a directory"
    : cause instanceof Deno.errors.PermissionDenied
    ? "permission denied"
    : cause instanceof Error
    ? cause.message
    : String(cause);
  return new KatError(`Cannot use "${path}": ${why}`, {
    cause,
    hint: cause instanceof Deno.errors.PermissionDenied
      ? "Give it to the user that runs kat-agent, with chown, or give a directory of yours with --data-dir"
      : "Give a directory of yours with --data-dir",
  });
}
