/**
 * Where kat-agent ends and etcd begins: the one place that starts the child.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { KatError } from "../../base/errors.ts";
import type { EtcdLogFile } from "./etcd_log_file.ts";
import { etcdMarker } from "./etcd_pid_file.ts";
import type { EtcdExit } from "./etcd_process_error.ts";
import { assertRunnable } from "../release/program_file.ts";

/** Options of {@linkcode spawnEtcd}. */
export interface SpawnEtcdOptions {
  /** Its arguments. */
  readonly args: readonly string[];
  /** What marks the child as this directory's. */
  readonly dataDir: string;
  /** What marks it as this very child. */
  readonly childId: string;
  /** Where all it writes goes. */
  readonly logFile: EtcdLogFile;
}

/** A child that exists. */
export interface SpawnedEtcd {
  /** Its pid. */
  readonly pid: number;
  /** Resolves with how it ended; rejects never. */
  readonly exited: Promise<EtcdExit>;
  /** Sends it a signal, as often as wanted; false if it has ended. */
  readonly kill: (signal: "SIGTERM" | "SIGKILL") => boolean;
}

/**
 * Starts `binary` in a session of its own, with an environment of its own, and
 * with its output in a file that the child alone keeps open.
 *
 * Needs the permission to run `binary`, and none beyond that and the log. Where
 * it may not be read either, whoever allowed to run it has looked at it.
 *
 * @throws {KatError} if it cannot be started.
 */
export async function spawnEtcd(
  binary: string,
  { args, dataDir, childId, logFile }: SpawnEtcdOptions,
): Promise<SpawnedEtcd> {
  if (await mayRead(binary)) await assertRunnable(binary);
  const output = await logFile.openForAppend();
  try {
    const child = spawn(binary, [...args], {
      stdio: ["ignore", output.fd, output.fd],
      // Ctrl-C and a closed terminal reach only the agent.
      detached: true,
      // Nothing is inherited: ETCD_… would be obeyed, NOTIFY_SOCKET answered.
      env: { ...etcdMarker({ dataDir, childId }) },
      cwd: "/",
    });
    // Listened for before anything is awaited, or an early end would be missed.
    const exited = new Promise<EtcdExit>((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
    const failed = new Promise((resolve) => child.on("error", resolve));
    const { pid } = child;
    if (pid !== undefined) {
      return {
        pid,
        exited,
        // Signalled through what stands for it here: Deno.kill() is for those
        // who may run everything. It takes one signal for all that is needed.
        kill: (signal) => Object.assign(child, { killed: false }).kill(signal),
      };
    }
    const cause = await failed;
    throw new KatError(
      `Cannot run ${JSON.stringify(binary)}: ${String(cause)}`,
      { cause, hint: "Check the file and the directories above it" },
    );
  } finally {
    await output.close();
  }
}

async function mayRead(path: string): Promise<boolean> {
  const { state } = await Deno.permissions.query({ name: "read", path });
  return state === "granted";
}
