/**
 * A program that does with an etcd what the agent's sandboxed Worker does: starts
 * it, waits until it serves and stops it; then starts it again and ends it by the
 * exit hooks, as a forced exit does. It prints the results as JSON.
 *
 * Its only argument is the JSON of {@linkcode EtcdProcessOptions}.
 *
 * @module
 */

import { runExitHooks } from "../../src/base/exit_hooks.ts";
import { startEtcd } from "../../src/etcd/process/etcd_process.ts";

if (import.meta.main) {
  const options = JSON.parse(Deno.args[0] ?? "{}");
  const states: string[] = [];

  const first = await startEtcd(options);
  await first.waitUntilServing();
  states.push(first.state);
  const written = JSON.parse(await Deno.readTextFile(options.pidFile)).pid;
  await first.stop();
  states.push(first.state);

  const second = await startEtcd(options);
  await second.waitUntilServing();
  runExitHooks();
  const exits = [await first.exited, await second.exited];

  const result = {
    states,
    exits,
    pids: [first.pid, second.pid],
    isWritten: written === first.pid,
    openedProc: await Deno.readTextFile("/proc/self/stat")
      .catch((error) => error.name),
    killed: tryToKill(Deno.ppid),
  };
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(result)));
}

function tryToKill(pid: number): string {
  try {
    Deno.kill(pid, "SIGCONT");
    return "allowed";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}
