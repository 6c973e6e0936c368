/**
 * Another program that runs an etcd as the agent does, for a test to kill.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import type { EtcdProcessOptions } from "../../src/etcd/process/etcd_process.ts";

/** A running {@linkcode etcd_keeper.ts}; disposing kills it and leaves its etcd. */
export interface Keeper extends AsyncDisposable {
  /** Its pid, and its process group's. */
  readonly pid: number;
  /** The pid of its etcd. */
  readonly etcdPid: number;
  /** The next line that it prints. */
  readonly nextLine: () => Promise<string | undefined>;
}

/** Starts {@linkcode etcd_keeper.ts} as the leader of a process group; resolves once its etcd serves. */
export async function startKeeper(
  options: EtcdProcessOptions,
): Promise<Keeper> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      fileURLToPath(new URL("../programs/etcd_keeper.ts", import.meta.url)),
      JSON.stringify(options),
    ],
    stdin: "null",
    stdout: "piped",
    detached: true,
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const etcdPid = Number((await lines.read()).value);
  return {
    pid: child.pid,
    etcdPid,
    nextLine: async () => (await lines.read()).value?.trim(),
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // The test has ended it.
      }
      await child.status;
      await lines.cancel();
    },
  };
}
