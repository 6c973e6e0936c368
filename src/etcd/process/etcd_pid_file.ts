/**
 * Remembers the etcd child on disk, so that the agent after one that was killed
 * finds the etcd that was left behind, and exactly that one.
 *
 * Each child carries a random name in its environment and on disk: writing it
 * down needs to know nothing of other processes, and no later owner of the pid
 * has it.
 *
 * @module
 */

import { writeFileAtomic } from "../../base/atomic_file.ts";
import { KatError, messageOf } from "../../base/errors.ts";
import { databaseHolders, isLocked } from "../data/data_dir_lock.ts";
import type { Orphan } from "./orphan.ts";
import {
  findProcess,
  HAS_PROC,
  type ProcessInfo,
  programName,
  seesSameFile,
} from "../../base/process_table.ts";

/** What tells one etcd child from all other processes. */
export interface EtcdChild {
  /** Its pid. */
  readonly pid: number;
  /** The random name it was given when it was started. */
  readonly childId: string;
}

/** The names in the child's environment that prove whose it is, and which one. */
const DATA_DIR_NAME = "KAT_AGENT_DATA_DIR";
const CHILD_ID_NAME = "KAT_AGENT_CHILD_ID";

/** The environment by which the child is known again. */
export function etcdMarker(
  { dataDir, childId }: { readonly dataDir: string; readonly childId: string },
): Readonly<Record<string, string>> {
  return { [DATA_DIR_NAME]: dataDir, [CHILD_ID_NAME]: childId };
}

/** The etcd directory that an agent started this process on; undefined for any other process. */
export function markedDataDir(
  { environment }: ProcessInfo,
): string | undefined {
  const prefix = `${DATA_DIR_NAME}=`;
  return environment.find((entry) => entry.startsWith(prefix))
    ?.slice(prefix.length);
}

/**
 * Writes down a child that has been started.
 *
 * @throws {KatError} if it cannot be written.
 */
export async function writePidFile(
  path: string,
  { pid, childId }: EtcdChild,
): Promise<void> {
  const text = JSON.stringify({ pid, childId }) + "\n";
  await writeFileAtomic(path, text).catch((cause) => {
    throw new KatError(`Cannot write "${path}": ${messageOf(cause)}`, {
      cause,
      hint: "See that the disk has space and the directory is this user's",
    });
  });
}

/**
 * Finds the etcd that an earlier agent started on `dataDir` and that still
 * runs. A missing, stale or broken file is no error: where there is `/proc`,
 * the etcd that has the directory locked is then looked at, which also finds
 * one whose agent was killed before it could write the file. With neither a
 * file nor a lock no program is started to look.
 *
 * It cannot tell an orphan from the child of a living agent: the caller holds
 * the agent's own lock on the directory. Where other processes cannot be
 * looked at, none is found, and the lock on the directory still tells of it.
 *
 * @throws {KatError} if the directory may not be read.
 */
export async function findOrphan(
  pidFile: string,
  dataDir: string,
): Promise<Orphan | undefined> {
  const written = await readPidFile(pidFile);
  if (written !== undefined) {
    const info = await findProcess(written.pid).catch(() => undefined);
    const same = info && isChild(info, written.childId);
    if (same && await isOurs(info, dataDir)) return orphan(info);
  }
  if (!await isLocked(dataDir)) return undefined;
  for await (const info of databaseHolders(dataDir)) {
    if (markedDataDir(info) !== dataDir) continue;
    if (await isOurs(info, dataDir)) return orphan(info);
  }
  return undefined;
}

async function readPidFile(path: string): Promise<EtcdChild | undefined> {
  try {
    const { pid, childId } = JSON.parse(await Deno.readTextFile(path));
    return Number.isSafeInteger(pid) && pid > 1 && typeof childId === "string"
      ? { pid, childId }
      : undefined;
  } catch {
    return undefined;
  }
}

function orphan({ pid, startTime, args }: ProcessInfo): Orphan {
  return { pid, startTime, args };
}

/** Whether the owner of the pid is the child that was written down. */
function isChild(info: ProcessInfo, childId: string): boolean {
  return HAS_PROC
    ? info.environment.includes(`${CHILD_ID_NAME}=${childId}`)
    : programName(info).startsWith("etcd");
}

/** An etcd on this very directory: in a container the same path names another one. */
async function isOurs(info: ProcessInfo, dataDir: string): Promise<boolean> {
  // Put together again, for `ps` does not tell the blanks in a path from others.
  const line = ` ${info.args.join(" ")} `;
  return line.includes(` --data-dir=${dataDir} `) &&
    await seesSameFile(info.pid, dataDir);
}
