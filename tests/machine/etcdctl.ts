/**
 * etcd's own client, as a witness that is not ours.
 *
 * @module
 */

import { strictEqual } from "node:assert/strict";
import { etcdBinaries } from "./tested_etcd.ts";

/** Runs `etcdctl` on an endpoint and returns what it prints. */
export async function etcdctl(
  endpoint: string,
  ...args: string[]
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(
    etcdBinaries.etcdctl,
    {
      args: [`--endpoints=${endpoint}`, ...args],
      clearEnv: true,
      env: { ETCDCTL_API: "3" },
      stdin: "null",
    },
  ).output();
  strictEqual(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}
