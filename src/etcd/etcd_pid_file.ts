/**
 * Remembers the etcd child on disk, so that an agent that was killed finds the
 * etcd it left behind and ends exactly that one.
 *
 * Each child carries a random name in its environment and on disk: writing it
 * down needs to know nothing of other processes, and no later owner of the pid
 * has it.
 *
 * @module
 */

import { writeFileAtomic } from "../base/atomic_file.ts";
import { systemClock } from "../base/clock.ts";
import { KatError, messageOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { databaseHolders, isLocked } from "./etcd_data_dir.ts";
import {
  findProcess,
  HAS_PROC,
  type ProcessInfo,
  programName,
  seesSameFile,
} from "./process_table.ts";

const log = logger("etcd");

/** What tells one etcd child from all other processes. */
export interface EtcdChild {
  /** Its pid. */
  readonly pid: number;
  /** The random name it was given when it was started. */
  readonly childId: string;
}

/** An etcd that an agent left behind; proven to be ours when it was found. */
export interface Orphan {
  /** Its pid. */
  readonly pid: number;
  /** What tells it from a later owner of the pid. */
  readonly startTime: string;
  /** Its command line; where there is no `/proc`, split at every blank. */
  readonly args: readonly string[];
}

/** Options of {@linkcode endOrphan}. */
export interface EndOrphanOptions {
  /** How long it may take to end by itself, in milliseconds. */
  readonly graceMs: number;
}

/** The first pause between two looks at a process that is not our child; etcd takes 0.1 s to end. */
const POLL_MS = 20;
/** A look starts two or three programs, 10 ms of work: it may cost 2 % of the time. */
const LONGEST_POLL_MS = 500;
/** What the kernel may take to end a killed process; it must write nothing more. */
const KILLED_MS = 5_000;

/** The names in the child's environment that prove whose it is, and which one. */
const DATA_DIR_NAME = "KAT_AGENT_DATA_DIR";
const CHILD_ID_NAME = "KAT_AGENT_CHILD_ID";

/** The environment by which the child is known again. */
export function etcdMarker(
  { dataDir, childId }: { readonly dataDir: string; readonly childId: string },
): Readonly<Record<string, string>> {
  return { [DATA_DIR_NAME]: dataDir, [CHILD_ID_NAME]: childId };
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
    const isMarked = info.environment.includes(`${DATA_DIR_NAME}=${dataDir}`);
    if (isMarked && await isOurs(info, dataDir)) return orphan(info);
  }
  return undefined;
}

/**
 * Ends an orphan: SIGTERM, the grace time, SIGKILL. Resolves when it is gone.
 *
 * @throws {KatError} if it may not be ended, or does not end.
 */
export async function endOrphan(
  orphan: Orphan,
  { graceMs }: EndOrphanOptions,
): Promise<void> {
  log.info("Ending the etcd that an earlier agent left behind", {
    pid: orphan.pid,
  });
  for (
    const [signal, withinMs] of [
      ["SIGTERM", graceMs],
      ["SIGKILL", KILLED_MS],
    ] as const
  ) {
    if (!await lives(orphan)) return;
    signalOrphan(orphan.pid, signal);
    const end = systemClock.nowMs() + withinMs;
    let pauseMs = POLL_MS;
    while (systemClock.nowMs() < end) {
      if (!await lives(orphan)) return;
      await systemClock.sleep(Math.min(pauseMs, end - systemClock.nowMs()));
      pauseMs = Math.min(2 * pauseMs, LONGEST_POLL_MS);
    }
  }
  throw new KatError(
    `Cannot end the etcd that an earlier agent left behind: process ${orphan.pid} does not end`,
    { hint: "Look at that process; its disk may hang" },
  );
}

function signalOrphan(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    // Deno says ESRCH, which it has no class for, as a TypeError.
    if (error instanceof TypeError) return;
    throw new KatError(
      `Cannot end the etcd that an earlier agent left behind: no permission to signal process ${pid}`,
      { cause: error, hint: "Run kat-agent as the user that ran it before" },
    );
  }
}

async function lives({ pid, startTime }: Orphan): Promise<boolean> {
  try {
    return (await findProcess(pid))?.startTime === startTime;
  } catch (cause) {
    // To signal unseen might reach another's process.
    throw new KatError(
      `Cannot end the etcd that an earlier agent left behind: process ${pid} cannot be looked at: ${
        messageOf(cause)
      }`,
      { cause, hint: "See that the machine has memory and processes to spare" },
    );
  }
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
