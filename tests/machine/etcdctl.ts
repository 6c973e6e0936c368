/**
 * etcd's own client: tells what is in the store without any code of the
 * product.
 *
 * @module
 */

import { strictEqual } from "node:assert/strict";
import { etcdBinaries } from "./tested_etcd.ts";
import { outputOf } from "./command_output.ts";

/** Runs `etcdctl` on endpoints and returns what it prints. */
export async function etcdctl(
  endpoints: string,
  ...args: string[]
): Promise<string> {
  const { code, text } = await tryEtcdctl(endpoints, ...args);
  strictEqual(code, 0, text);
  return text;
}

/** Runs `etcdctl` on endpoints and returns what it prints, on stderr if it fails. */
export async function tryEtcdctl(
  endpoints: string,
  ...args: string[]
): Promise<{ readonly code: number; readonly text: string }> {
  const { code, stdout, stderr } = await outputOf(
    command([endpoints, ...args], "piped"),
  );
  return { code, text: (code === 0 ? stdout : stderr).trim() };
}

/** Starts `etcdctl` on endpoints as a process that goes on. */
export function startEtcdctl(
  endpoints: string,
  ...args: string[]
): Deno.ChildProcess {
  return command([endpoints, ...args], "null").spawn();
}

function command(
  [endpoints, ...args]: readonly string[],
  stderr: "piped" | "null",
): Deno.Command {
  return new Deno.Command(etcdBinaries.etcdctl, {
    args: [`--endpoints=${endpoints}`, ...args],
    clearEnv: true,
    env: { ETCDCTL_API: "3" },
    stdin: "null",
    stdout: "piped",
    stderr,
  });
}
