/**
 * A program that starts an etcd as the agent does and keeps it until it is
 * killed: prints the child's pid once the member serves. SIGINT does not end
 * it, so that a test can tell which processes got one.
 *
 * Its only argument is the JSON of {@linkcode EtcdProcessOptions}.
 *
 * @module
 */

import { startEtcd } from "../../src/etcd/process/etcd_process.ts";

if (import.meta.main) {
  const sigint = new TextEncoder().encode("SIGINT\n");
  Deno.addSignalListener("SIGINT", () => Deno.stdout.writeSync(sigint));
  const etcd = await startEtcd(JSON.parse(Deno.args[0] ?? "{}"));
  await etcd.waitUntilServing();
  Deno.stdout.writeSync(new TextEncoder().encode(`${etcd.pid}\n`));
  await etcd.exited;
}
