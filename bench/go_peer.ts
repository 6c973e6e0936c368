/**
 * Go's clientv3 in a process of its own, for the bench.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { tempDir } from "../tests/support/temp_dir.ts";
import type { Load, Measure, Peer } from "./peer.ts";

/** Where Go usually stands when it is not in the PATH. */
const USUAL_GO = "/usr/local/go/bin/go";

/** clientv3 on `endpoint`, built from `bench/go`; undefined where Go is missing. */
export async function goPeer(
  endpoint: string,
): Promise<Peer & AsyncDisposable | undefined> {
  const go = await findGo();
  if (go === undefined) return undefined;
  const dir = await tempDir();
  const program = `${dir.path}/bench`;
  await build(go, program);
  const child = spawn(program, [endpoint], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  const lines = createInterface({ input: child.stdout })
    [Symbol.asyncIterator]();
  return {
    name: "Go clientv3",
    async run({ what, callers, ms, bytes }: Load): Promise<Measure> {
      child.stdin.write(`${what} ${callers} ${ms} ${bytes}\n`);
      const { value } = await lines.next();
      return JSON.parse(value ?? "");
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
      await dir[Symbol.asyncDispose]();
    },
  };
}

async function build(go: string, program: string): Promise<void> {
  const { success } = await new Deno.Command(go, {
    args: ["build", "-o", program, "."],
    cwd: fileURLToPath(new URL("go", import.meta.url)),
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("Cannot build bench/go");
}

async function findGo(): Promise<string | undefined> {
  for (const go of ["go", USUAL_GO]) {
    const command = new Deno.Command(go, { args: ["version"], stdout: "null" });
    const found = await command.output().catch(() => undefined);
    if (found?.success) return go;
  }
  return undefined;
}
