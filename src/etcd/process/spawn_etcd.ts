/**
 * Starts etcd as a child process. Nothing else in kat-agent starts one.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { KatError, messageOf } from "../../base/errors.ts";
import type { EtcdLogFile } from "./etcd_log_file.ts";
import { etcdMarker } from "./etcd_pid_file.ts";
import type { EtcdExit } from "./etcd_process_error.ts";
import { assertRunnable } from "../release/program_file.ts";

/** Options of {@linkcode spawnEtcd}. */
export interface SpawnEtcdOptions {
  /** Its arguments. */
  readonly args: readonly string[];
  /** Its data directory, by which the next agent recognises it. */
  readonly dataDir: string;
  /** A random name, which tells this child from every other. */
  readonly childId: string;
  /** The file for its output. */
  readonly logFile: EtcdLogFile;
}

/** A child process that was started. */
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
 * with its output in a file that only the child keeps open.
 *
 * It needs the permissions to run `binary` and to write the log, and no others.
 * If it may not read `binary`, it relies on the thread that granted the
 * permission to run it: that one has checked the file.
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
      // It inherits nothing: etcd obeys ETCD_…, and writes to NOTIFY_SOCKET.
      env: { ...etcdMarker({ dataDir, childId }) },
      cwd: "/",
    });
    // Registered before anything is awaited, or an early end would be missed.
    const exited = new Promise<EtcdExit>((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
    const failed = new Promise((resolve) => child.on("error", resolve));
    const { pid } = child;
    if (pid !== undefined) {
      return {
        pid,
        exited,
        // Not with Deno.kill(), which needs the permission to run every program.
        // Node's child accepts one signal only, unless `killed` is reset.
        kill: (signal) => Object.assign(child, { killed: false }).kill(signal),
      };
    }
    const cause = await failed;
    throw new KatError(
      `Cannot run ${JSON.stringify(binary)}: ${messageOf(cause)}`,
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
