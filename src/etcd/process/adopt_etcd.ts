/**
 * Takes charge of an etcd that an earlier agent left running, in a thread that
 * may neither signal other processes nor look at them: the main thread does.
 *
 * @module
 */

import { dirname } from "node:path";
import { systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { isLocked } from "../data/data_dir_lock.ts";
import { EtcdLogFile } from "./etcd_log_file.ts";
import { EtcdProcess, type EtcdProcessOptions } from "./etcd_process.ts";
import { versionText } from "../etcd_version.ts";

/** What a thread with more rights does about the process. */
export interface OrphanControl {
  /** Whether it still runs. */
  readonly isRunning: () => Promise<boolean>;
  /** Sends it a signal, if it still runs. */
  readonly signal: (signal: "SIGTERM" | "SIGKILL") => Promise<void>;
}

/** Options of {@linkcode adoptEtcd}. */
export interface AdoptEtcdOptions {
  /** Its pid. */
  readonly pid: number;
  /** What signals it and checks whether it runs. */
  readonly control: OrphanControl;
}

const log = logger("etcd");

/** How soon its end is noticed: far within the shortest lease. A check opens a file and closes it. */
const CHECK_INTERVAL_MS = 200;
/** The same while it is being stopped, because the agent waits for it. */
const STOPPING_INTERVAL_MS = 20;

/**
 * Takes charge of an etcd that runs with these very options. How it ends
 * cannot be known, only that it has: its exit is neither a code nor a signal.
 *
 * @throws {KatError} if its log cannot be written.
 */
export async function adoptEtcd(
  options: EtcdProcessOptions,
  { pid, control }: AdoptEtcdOptions,
): Promise<EtcdProcess> {
  const logFile = await EtcdLogFile.open(options.logFile, {
    limitBytes: options.logLimitBytes,
  });
  let intervalMs = CHECK_INTERVAL_MS;
  const exited = untilGone(options.member.dataDir, {
    isRunning: control.isRunning,
    pauseMs: () => intervalMs,
  });
  log.info("Adopted the etcd that an earlier agent left running", {
    pid,
    version: versionText(options.version),
  });
  return new EtcdProcess({
    pid,
    exited: exited.then(() => ({ code: null, signal: null })),
    kill(signal) {
      intervalMs = STOPPING_INTERVAL_MS;
      control.signal(signal).catch((error) =>
        log.error("Cannot stop etcd", { pid, reason: messageOf(error) })
      );
      return true;
    },
    logFile,
    options,
  });
}

/**
 * Resolves when an etcd has ended. The lock on its database tells that it runs;
 * without the lock it may still be closing its ports, or exchange the file, so
 * that the process itself has to be checked, which costs more.
 */
async function untilGone(
  dataDir: string,
  { isRunning, pauseMs }: {
    readonly isRunning: () => Promise<boolean>;
    readonly pauseMs: () => number;
  },
): Promise<void> {
  const within = dirname(dataDir);
  const locked = () => isLocked(dataDir, { within }).catch(() => false);
  do {
    await systemClock.sleep(pauseMs());
  } while (await locked() || await isRunning());
}
