/**
 * Whether an etcd runs on a data directory, as the lock on its database tells,
 * and which process that is.
 *
 * @module
 */

import { dirname } from "node:path";
import { systemClock } from "../../base/clock.ts";
import { KatError } from "../../base/errors.ts";
import {
  checkedPath,
  type CheckedPathOptions,
} from "../../base/files/checked_path.ts";
import { tryLock } from "../../base/files/lock_own.ts";
import { openOwn } from "../../base/files/open_own.ts";
import { PathError } from "../../base/files/untrusted_path.ts";
import {
  processesByOpenFile,
  type ProcessInfo,
  programName,
} from "../../base/process_table.ts";
import { cannotRead, databaseIn } from "./etcd_data_dir.ts";

/** How long a killed process may take to close its files; one of its threads may wait for the disk. */
const CLOSING_MS = 3_000;
/** The pause between two checks of the lock. */
const CHECK_INTERVAL_MS = 50;

/**
 * Refuses a directory that a running etcd has locked: a second etcd would wait
 * for the lock for ever. If no process shows the file as open, it waits a moment:
 * a killed process keeps the lock until it has ended, but no longer lists its
 * open files.
 *
 * @throws {KatError} naming the process where that can be known.
 */
export async function assertUnlocked(path: string): Promise<void> {
  const endMs = systemClock.nowMs() + CLOSING_MS;
  let holder: ProcessInfo | undefined;
  while (true) {
    if (!await isLocked(path)) return;
    holder = await findLockHolder(path);
    if (holder !== undefined || systemClock.nowMs() >= endMs) break;
    await systemClock.sleep(CHECK_INTERVAL_MS);
  }
  const user = holder === undefined
    ? "another etcd"
    : `process ${holder.pid} (${programName(holder)})`;
  throw new KatError(
    `Cannot use the data directory ${JSON.stringify(path)}: ${user} uses it`,
    {
      hint:
        "Wait some seconds, if an agent is still stopping it; else end that process, or choose another directory with --data-dir",
    },
  );
}

/** Options of {@linkcode findLockHolder}. */
export interface FindLockHolderOptions {
  /** The pid of a process that may have it open. */
  readonly except?: number | undefined;
}

/** Finds the process that has the database open; undefined where that cannot be known. */
export async function findLockHolder(
  path: string,
  { except }: FindLockHolderOptions = {},
): Promise<ProcessInfo | undefined> {
  for await (const holder of databaseHolders(path)) {
    if (holder.pid !== except) return holder;
  }
  return undefined;
}

/** Finds all processes that have the database open; they need not be etcds. */
export async function* databaseHolders(
  path: string,
): AsyncGenerator<ProcessInfo> {
  const database = await checkedPath(databaseIn(path))
    .catch(() => undefined);
  if (database !== undefined) yield* processesByOpenFile(database);
}

/**
 * Whether a running etcd has the directory locked: its database library holds
 * flock(2) on the file while it is open.
 *
 * @throws {KatError} if the database cannot be read, or another user can
 * change it.
 */
export async function isLocked(
  path: string,
  options: CheckedPathOptions = {},
): Promise<boolean> {
  const database = databaseIn(path);
  try {
    using file = await openOwn(database, options);
    // A shared lock, so that two agents that check do not see each other's. It
    // ends when the file is closed.
    return !await tryLock(file, { path: database, exclusive: false });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof PathError && error.fault === "not a directory") {
      return false;
    }
    throw cannotRead(database, error);
  }
}

/**
 * Whether the etcd of a directory holds its ports: it binds them all before it
 * locks its database, and both end with its process. So a server that answers
 * there while the database is locked is that etcd. One that could not bind its
 * ports, because another program has them, ends without having locked anything.
 * The directory that `path` is in was checked before.
 *
 * @throws {KatError} if the database cannot be read.
 */
export async function holdsPort(path: string): Promise<boolean> {
  return await isLocked(path, { within: dirname(path) });
}
