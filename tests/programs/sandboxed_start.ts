/**
 * A program that checks a data directory and its port as a starting agent does:
 * which process holds them, and whether it is an orphan. It ends the orphan and
 * prints the results as JSON.
 *
 * Its only argument is the JSON of {@linkcode EtcdProcessOptions}.
 *
 * @module
 */

import { messageOf } from "../../src/base/errors.ts";
import { assertUnlocked } from "../../src/etcd/data/data_dir_lock.ts";
import { findOrphan } from "../../src/etcd/process/etcd_pid_file.ts";
import { endOrphan } from "../../src/etcd/process/orphan.ts";
import { assertPortsFree } from "../../src/etcd/process/port_holder.ts";

if (import.meta.main) {
  const { pidFile, member: { dataDir, clientUrls } } = JSON.parse(
    Deno.args[0] ?? "{}",
  );
  const { hostname, port } = new URL(clientUrls[0]);
  const wanted = {
    purpose: "client",
    address: hostname,
    port: Number(port),
    setting: "spec.etcdClientPort",
  } as const;
  const saying = (promise: Promise<unknown>) =>
    promise.then(() => "nothing", messageOf);

  const ports = await saying(assertPortsFree([wanted]));
  const lock = await saying(assertUnlocked(dataDir));
  const orphan = await findOrphan(pidFile, dataDir);
  await Deno.remove(pidFile);
  const unwritten = await findOrphan(pidFile, dataDir);
  if (orphan) await endOrphan(orphan, { graceMs: 10_000 });

  const result = {
    ports,
    lock,
    orphan,
    unwritten,
    after: [
      await saying(assertPortsFree([wanted])),
      await saying(assertUnlocked(dataDir)),
      await findOrphan(pidFile, dataDir) ?? "none",
    ],
    openedProc: await Deno.readTextFile("/proc/self/stat")
      .catch((error) => error.name),
  };
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(result)));
}
