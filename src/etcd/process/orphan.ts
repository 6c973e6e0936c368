/**
 * An etcd that an agent left behind, for a thread that may signal any process:
 * before each signal it checks which process has the pid.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { KatError, messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { findProcess, findProcessSync } from "../../base/process_table.ts";

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
  /** Why it is ended, for the log. */
  readonly reason?: string | undefined;
}

/** The first pause between two checks of a process that is not our child; etcd takes 0.1 s to end. */
const POLL_MS = 20;
/** A check starts two or three programs, 10 ms of work: it may cost 2 % of the time. */
const LONGEST_POLL_MS = 500;
/** What the kernel may take to end a killed process; it must write nothing more. */
const KILLED_MS = 5_000;

/**
 * Ends an orphan: SIGTERM, the grace time, SIGKILL. Resolves when it is gone.
 *
 * @throws {KatError} if it may not be ended, or does not end.
 */
export async function endOrphan(
  orphan: Orphan,
  { graceMs, reason }: EndOrphanOptions,
): Promise<void> {
  const { pid } = orphan;
  logger("etcd").info("Ending the etcd that an earlier agent left behind", {
    pid,
    ...(reason === undefined ? {} : { reason }),
  });
  for (
    const [signal, withinMs] of [
      ["SIGTERM", graceMs],
      ["SIGKILL", KILLED_MS],
    ] as const
  ) {
    if (!await signalOrphan(orphan, signal)) return;
    const end = systemClock.nowMs() + withinMs;
    let pauseMs = POLL_MS;
    while (systemClock.nowMs() < end) {
      if (!await isOrphanRunning(orphan)) return;
      const leftMs = Math.max(0, end - systemClock.nowMs());
      await systemClock.sleep(Math.min(pauseMs, leftMs));
      pauseMs = Math.min(2 * pauseMs, LONGEST_POLL_MS);
    }
  }
  throw new KatError(
    `Cannot end the etcd that an earlier agent left behind: process ${pid} does not end`,
    { hint: "Look at that process; its disk may hang" },
  );
}

/**
 * Sends an orphan a signal; false if it has ended. A later owner of its pid is
 * not signalled.
 *
 * @throws {KatError} if it may not be checked or signalled.
 */
export async function signalOrphan(
  orphan: Orphan,
  signal: "SIGTERM" | "SIGKILL",
): Promise<boolean> {
  if (!await isOrphanRunning(orphan)) return false;
  const { pid } = orphan;
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    // Deno says ESRCH, which it has no class for, as a TypeError.
    if (error instanceof TypeError) return false;
    throw new KatError(
      `Cannot end the etcd that an earlier agent left behind: no permission to signal process ${pid}`,
      { cause: error, hint: "Run kat-agent as the user that ran it before" },
    );
  }
}

/** Kills an orphan, and no later owner of its pid, before this returns: for an exit hook. */
export function killOrphanNow({ pid, startTime }: Orphan): void {
  if (findProcessSync(pid)?.startTime === startTime) Deno.kill(pid, "SIGKILL");
}

/**
 * Whether an orphan still runs.
 *
 * @throws {KatError} if it cannot be checked.
 */
export async function isOrphanRunning(
  { pid, startTime }: Orphan,
): Promise<boolean> {
  try {
    return (await findProcess(pid))?.startTime === startTime;
  } catch (cause) {
    // Without this check the signal could hit an unrelated process that has the pid now.
    throw new KatError(
      `Cannot end the etcd that an earlier agent left behind: process ${pid} cannot be looked at: ${
        messageOf(cause)
      }`,
      { cause, hint: "See that the machine has memory and processes to spare" },
    );
  }
}
