/**
 * A node's directory: what is in it, whose it is, and that one agent uses it.
 *
 * Looking changes nothing, so that every refusal leaves it as it was.
 *
 * @module
 */

import { join } from "node:path";
import { isTemporary, writeFileAtomic } from "../base/atomic_file.ts";
import { KatError } from "../base/errors.ts";
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
 * Reads what the node at `root` remembers; `undefined` if the directory is
 * absent or has not been used yet. Changes nothing.
 *
 * @throws {KatError} if it is another program's, damaged, or not to be read.
 */
export async function inspectDataDirectory(
  root: string,
): Promise<NodeRecord | undefined> {
  const paths = dataPaths(root);
  const names = await namesIn(root);
  if (names.includes("node.json")) {
    return decodeNodeRecord(await read(paths.record), paths.record);
  }
  const foreign = names
    .filter((name) => !HARMLESS.has(name) && !isTemporary(name)).sort();
  if (foreign.length === 0) return undefined;
  if (foreign.includes("identity.json")) {
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
    const paths = dataPaths(root);
    // Before the directory is closed to others: a refusal changes nothing.
    await refuseStrange(paths.lock, /^\d*\n?$/);
    Deno.umask(0o077);
    await createDataDir(root);
    const lock = await openLock(paths.lock);
    if (!await lock.tryLock(true)) {
      lock.close();
      const pid = (await Deno.readTextFile(paths.lock)).trim();
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
  if (await Deno.readTextFile(path).catch(() => "") === text) return;
  await writeFileAtomic(path, text).catch((error) => {
    throw notUsable(path, error);
  });
}

async function openLock(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, {
      create: true,
      read: true,
      write: true,
      mode: 0o600,
    });
  } catch (error) {
    throw notUsable(path, error);
  }
}

/** Larger than any file of ours, small enough to be read at once. */
const LARGEST_BYTES = 1024 * 1024;

/**
 * Reads a small file of ours; `undefined` if there is none.
 *
 * @throws {KatError} if it cannot be read, or is none of ours.
 */
export async function readOwnFile(path: string): Promise<string | undefined> {
  const exists = await Deno.lstat(path).then(() => true, () => false);
  return exists ? await read(path) : undefined;
}

/**
 * Reads a file of ours. What is none (a link, a pipe, a device, a huge file) is
 * refused before it is opened: it could hang, or be another's.
 */
async function read(path: string): Promise<string> {
  try {
    const { isFile, size } = await Deno.lstat(path);
    if (!isFile) throw new Error("it is not a regular file");
    if (size > LARGEST_BYTES) throw new Error(`it has ${size} bytes`);
    return await Deno.readTextFile(path);
  } catch (error) {
    throw notUsable(path, error);
  }
}

/** Refuses a file that is there and does not hold what one of ours does. */
async function refuseStrange(path: string, ours: RegExp): Promise<void> {
  const text = await readOwnFile(path);
  if (text === undefined || ours.test(text)) return;
  throw notUsable(path, new Error("it is not a file of kat-agent"));
}

async function namesIn(root: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(root));
    return entries.map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw notUsable(root, error);
  }
}

function notUsable(path: string, cause: unknown): KatError {
  const why = cause instanceof Deno.errors.NotADirectory
    ? "it is not a directory"
    : cause instanceof Deno.errors.PermissionDenied
    ? "permission denied"
    : cause instanceof Error
    ? cause.message
    : String(cause);
  return new KatError(`Cannot use "${path}": ${why}`, {
    cause,
    hint: "Give a directory of yours with --data-dir",
  });
}
