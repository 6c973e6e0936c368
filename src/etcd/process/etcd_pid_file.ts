/**
 * Writes down the etcd child, so that after an agent was killed the next agent
 * finds exactly that etcd, which still runs.
 *
 * Each child has a random name, in its environment and in the file. A later
 * process with the same pid does not have it.
 *
 * @module
 */

import { dirname } from "node:path";
import { KatError } from "../../base/errors.ts";
import { fileTrouble } from "../../base/files/file_trouble.ts";
import { readOwnText } from "../../base/files/read_own.ts";
import { writeOwn } from "../../base/files/write_own.ts";
import { databaseHolders, isLocked } from "../data/data_dir_lock.ts";
import type { Orphan } from "./orphan.ts";
import {
  findProcess,
  HAS_PROC,
  type ProcessInfo,
  programName,
  seesSameFile,
} from "../../base/process_table.ts";

/** What identifies an etcd child among all processes. */
export interface EtcdChild {
  /** Its pid. */
  readonly pid: number;
  /** The random name that it got when it was started. */
  readonly childId: string;
}

/** The variables in the child's environment that hold its data directory and its random name. */
const DATA_DIR_NAME = "KAT_AGENT_DATA_DIR";
const CHILD_ID_NAME = "KAT_AGENT_CHILD_ID";

/** The environment of a child, which identifies it. */
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
 * Writes the file for a child that has been started.
 *
 * @throws {KatError} if it cannot be written.
 */
export async function writePidFile(
  path: string,
  { pid, childId }: EtcdChild,
): Promise<void> {
  const text = JSON.stringify({ pid, childId }) + "\n";
  await writeOwn(path, text, { within: dirname(path) }).catch((cause) => {
    if (cause instanceof KatError) throw cause;
    const { reason, hint } = fileTrouble(cause);
    throw new KatError(`Cannot write "${path}": ${reason}`, {
      cause,
      hint: hint ??
        "Check that the disk has space, and that the directory belongs to the user that runs kat-agent",
    });
  });
}

/**
 * Finds the etcd that an earlier agent started on `dataDir` and that still runs.
 * If the file is missing, stale or damaged and there is `/proc`, it checks the
 * etcd that has the directory locked: an agent may have been killed before it
 * could write the file. With neither a file nor a lock it starts no program.
 *
 * It cannot tell an orphan from the child of a running agent, so the caller holds
 * the agent's own lock on the directory. Where processes cannot be read, it finds
 * none; the lock on the database then shows that an etcd runs.
 *
 * @throws {KatError} if the directory cannot be read.
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
    const text = await readOwnText(path, { within: dirname(path) });
    const { pid, childId } = JSON.parse(text ?? "");
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

/** Whether the process is the child in the file. */
function isChild(info: ProcessInfo, childId: string): boolean {
  return HAS_PROC
    ? info.environment.includes(`${CHILD_ID_NAME}=${childId}`)
    : programName(info).startsWith("etcd");
}

/** Whether it is an etcd on this directory; in a container the same path is another directory. */
async function isOurs(info: ProcessInfo, dataDir: string): Promise<boolean> {
  // Joined, because `ps` does not separate arguments from blanks in a path.
  const line = ` ${info.args.join(" ")} `;
  return line.includes(` --data-dir=${dataDir} `) &&
    await seesSameFile(info.pid, dataDir);
}
