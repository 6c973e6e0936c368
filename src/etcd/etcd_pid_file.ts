/**
 * Remembers the etcd child on disk, so that an agent that was killed finds the
 * etcd it left behind and ends exactly that one.
 *
 * @module
 */

import { writeFileAtomic } from "../base/atomic_file.ts";
import { systemClock } from "../base/clock.ts";
import { KatError, messageOf } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import {
  allProcesses,
  findProcess,
  type ProcessInfo,
  programName,
  seesSameFile,
} from "./process_table.ts";

const log = logger("etcd");

/** An etcd that an agent left behind; proven to be ours when it was found. */
export interface Orphan {
  /** Its pid. */
  readonly pid: number;
  /** What tells it from a later owner of the pid. */
  readonly startTime: string;
}

/** Options of {@linkcode endOrphan}. */
export interface EndOrphanOptions {
  /** How long it may take to end by itself, in milliseconds. */
  readonly graceMs: number;
}

/** How often a process that is not our child is looked at. */
const POLL_MS = 20;
/** What the kernel may take to end a killed process; it must write nothing more. */
const KILLED_MS = 5_000;

/** The name and value in the child's environment that proves whose it is. */
export function etcdMarker(
  dataDir: string,
): { readonly KAT_AGENT_DATA_DIR: string } {
  return { KAT_AGENT_DATA_DIR: dataDir };
}

/** Writes down the running child `pid`; does nothing if it has ended. */
export async function writePidFile(
  path: string,
  { pid, dataDir }: { readonly pid: number; readonly dataDir: string },
): Promise<void> {
  const info = await findProcess(pid);
  if (info === undefined) return;
  const { startTime } = info;
  const text = JSON.stringify({ pid, startTime, dataDir }) + "\n";
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
 * the child is then looked for by its marker, which also finds one whose agent
 * was killed before it could write the file.
 *
 * It cannot tell an orphan from the child of a living agent: the caller holds
 * the agent's own lock on the directory.
 */
export async function findOrphan(
  pidFile: string,
  dataDir: string,
): Promise<Orphan | undefined> {
  const written = await readPidFile(pidFile);
  if (written !== undefined) {
    const info = await findProcess(written.pid);
    const same = info?.startTime === written.startTime;
    if (info && same && await isOurs(info, dataDir)) {
      return { pid: info.pid, startTime: info.startTime };
    }
  }
  for await (const info of allProcesses()) {
    if (isMarked(info, dataDir) && await isOurs(info, dataDir)) {
      return { pid: info.pid, startTime: info.startTime };
    }
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
    while (systemClock.nowMs() < end) {
      if (!await lives(orphan)) return;
      await systemClock.sleep(POLL_MS);
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
  return (await findProcess(pid))?.startTime === startTime;
}

async function readPidFile(path: string): Promise<Orphan | undefined> {
  try {
    const { pid, startTime } = JSON.parse(await Deno.readTextFile(path));
    return Number.isSafeInteger(pid) && pid > 1 && typeof startTime === "string"
      ? { pid, startTime }
      : undefined;
  } catch {
    return undefined;
  }
}

/** An etcd on this very directory: in a container the same path names another one. */
async function isOurs(info: ProcessInfo, dataDir: string): Promise<boolean> {
  const isEtcd = programName(info).startsWith("etcd") ||
    isMarked(info, dataDir);
  return isEtcd && info.args.includes(`--data-dir=${dataDir}`) &&
    await seesSameFile(info.pid, dataDir);
}

function isMarked({ environment }: ProcessInfo, dataDir: string): boolean {
  return Object.entries(etcdMarker(dataDir))
    .every(([name, value]) => environment.includes(`${name}=${value}`));
}
