/**
 * Takes charge of an etcd that an earlier agent left running, in a thread that
 * may neither signal other processes nor look at them: another one does.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import { isLocked } from "../data/data_dir_lock.ts";
import { EtcdLogFile } from "./etcd_log_file.ts";
import { EtcdProcess, type EtcdProcessOptions } from "./etcd_process.ts";
import { versionText } from "../etcd_version.ts";

/** What is done about the process by somebody with more rights. */
export interface AdoptionHost {
  /** Whether it still runs. */
  readonly lives: () => Promise<boolean>;
  /** Sends it a signal, if it still runs. */
  readonly signal: (signal: "SIGTERM" | "SIGKILL") => Promise<void>;
}

/** Options of {@linkcode adoptEtcd}. */
export interface AdoptEtcdOptions {
  /** Its pid. */
  readonly pid: number;
  /** Who signals and looks. */
  readonly host: AdoptionHost;
}

const log = logger("etcd");

/** How soon its end is noticed: far within the shortest lease. A look opens a file and closes it. */
const LOOK_MS = 200;
/** The same, while it is being stopped and somebody waits. */
const STOPPING_LOOK_MS = 20;

/**
 * Takes charge of an etcd that runs with these very options. How it ends
 * cannot be known, only that it has: its exit is neither a code nor a signal.
 *
 * @throws {KatError} if its log cannot be written.
 */
export async function adoptEtcd(
  options: EtcdProcessOptions,
  { pid, host }: AdoptEtcdOptions,
): Promise<EtcdProcess> {
  const logFile = await EtcdLogFile.open(options.logFile, {
    limitBytes: options.logLimitBytes,
  });
  let lookMs = LOOK_MS;
  const exited = untilGone(options.member.dataDir, {
    lives: host.lives,
    pauseMs: () => lookMs,
  });
  log.info("Adopted the etcd that an earlier agent left running", {
    pid,
    version: versionText(options.version),
  });
  return new EtcdProcess({
    pid,
    exited: exited.then(() => ({ code: null, signal: null })),
    kill(signal) {
      lookMs = STOPPING_LOOK_MS;
      host.signal(signal).catch((error) =>
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
 * that the process itself has to be looked at, which costs more.
 */
async function untilGone(
  dataDir: string,
  { lives, pauseMs }: {
    readonly lives: () => Promise<boolean>;
    readonly pauseMs: () => number;
  },
): Promise<void> {
  do {
    await systemClock.sleep(pauseMs());
  } while (await isLocked(dataDir).catch(() => false) || await lives());
}
