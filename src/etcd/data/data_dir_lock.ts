/**
 * Whether an etcd runs on a directory, told by the lock on its database, and
 * which process that is.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { KatError } from "../../base/errors.ts";
import {
  processesByOpenFile,
  type ProcessInfo,
  programName,
} from "../../base/process_table.ts";
import { cannotRead, databaseIn } from "./etcd_data_dir.ts";

/** How long a killed process may take to let go of its files; a thread of it may wait for the disk. */
const LETTING_GO_MS = 3_000;
const LOOK_AGAIN_MS = 50;

/**
 * Refuses a directory that a running etcd has locked; a second one would wait
 * for ever. A lock whose holder nothing shows is waited for a moment: a process
 * that is being killed has it to its end, but no longer says what it has open.
 *
 * @throws {KatError} naming the process where that can be known.
 */
export async function assertUnlocked(path: string): Promise<void> {
  const endMs = systemClock.nowMs() + LETTING_GO_MS;
  let holder: ProcessInfo | undefined;
  while (true) {
    if (!await isLocked(path)) return;
    holder = await findLockHolder(path);
    if (holder !== undefined || systemClock.nowMs() >= endMs) break;
    await systemClock.sleep(LOOK_AGAIN_MS);
  }
  const who = holder === undefined
    ? "another etcd"
    : `process ${holder.pid} (${programName(holder)})`;
  throw new KatError(
    `Cannot use the data directory ${JSON.stringify(path)}: ${who} uses it`,
    { hint: "End that process, or choose another directory with --data-dir" },
  );
}

/** Options of {@linkcode findLockHolder}. */
export interface FindLockHolderOptions {
  /** A process that may have it open. */
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

/** Finds all that have the database open, not all of which need to be etcds. */
export async function* databaseHolders(
  path: string,
): AsyncGenerator<ProcessInfo> {
  const database = await Deno.realPath(databaseIn(path))
    .catch(() => undefined);
  if (database !== undefined) yield* processesByOpenFile(database);
}

/**
 * Whether a running etcd has the directory locked: its database library holds
 * flock(2) on the file as long as it is open.
 *
 * @throws {KatError} if the directory may not be read.
 */
export async function isLocked(path: string): Promise<boolean> {
  const database = databaseIn(path);
  try {
    using file = await Deno.open(database, { read: true });
    // Shared, so that two who ask do not see each other; freed with the file.
    return !await file.tryLock(false);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.NotADirectory) return false;
    throw cannotRead(database, error);
  }
}
