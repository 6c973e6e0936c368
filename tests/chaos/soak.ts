/**
 * A long quiet run: one node with a trickle of traffic, and measurements each half
 * minute at what its agent holds. Ends with 1 if something grows (I20).
 * `deno task soak`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { sleep } from "../machine/sleep.ts";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import type { Watch } from "../../src/store/state_store.ts";
import { startAgent } from "../machine/agent_process.ts";
import { initArgs, writeClusterFile } from "../machine/cluster_file.ts";
import { openFiles, processNumbers } from "../machine/processes.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { showTable } from "../history/check_history.ts";
import { checkBounded } from "../history/check_observations.ts";
import type { Observation } from "../history/history.ts";
import { monotonicNs } from "../history/monotonic_clock.ts";

/** One write, one read and one watched event in this time, in milliseconds. */
const TRICKLE_MS = 1_000;
/** How often it is looked at, at least, in milliseconds. */
const LOOK_MS = 30_000;
/** How long caches fill, in minutes: not checked. */
const WARM_UP_MINUTES = 10;

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { minutes: { type: "string", default: "120" } },
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new TypeError("--minutes wants a number above 0");
  const observations = await soak(minutes);
  const verdict = checkBounded({ observations }, {
    warmUp: Math.min(0.5, WARM_UP_MINUTES / minutes),
  });
  print(
    showTable([{ invariant: "I20", claim: "nothing grows", verdict }]),
  );
  Deno.exit(verdict.violations.length + verdict.undecided > 0 ? 1 : 0);
}

/** Lets a node live for some minutes; what it held meanwhile. */
async function soak(minutes: number): Promise<Observation[]> {
  await using dir = await tempDir();
  const file = await writeClusterFile(dir.path);
  const data = `${dir.path}/data`;
  await using agent = startAgent(initArgs(file, data));
  await agent.logged("Became leader: ");
  await using store = new EtcdStore({
    endpoints: [`http://127.0.0.1:${file.clientPort}`],
  });
  const watch = await store.watch("/soak/");
  const watching = countEvents(watch);
  const endMs = performance.now() + minutes * 60_000;
  const everyMs = Math.min(LOOK_MS, minutes * 1_000);
  const observations: Observation[] = [];
  let [nextLookMs, writes] = [performance.now() + everyMs, 0];
  while (performance.now() < endMs) {
    await store.put("/soak/key", new TextEncoder().encode(`${writes++}`));
    await store.get("/soak/key");
    await sleep(TRICKLE_MS);
    if (performance.now() < nextLookMs) continue;
    nextLookMs += everyMs;
    const figures = {
      ...await processFigures(agent.pid),
      "lines logged": agent.lines.length,
      "KiB of data": await kibibytes(data),
    };
    print(JSON.stringify(figures));
    observations.push(
      ...Object.entries(figures).map(([figure, value]) => ({
        type: "observation" as const,
        what: "figure" as const,
        at_ns: monotonicNs(),
        node: "n1",
        figure,
        value,
      })),
    );
  }
  watch.close();
  print(`${writes} writes, ${await watching} events`);
  return observations;
}

/** Reads a watch to its end; how much it saw. */
async function countEvents(watch: Watch): Promise<number> {
  let count = 0;
  for await (const _event of watch) count++;
  return count;
}

/** What the kernel says that a process holds. */
async function processFigures(pid: number): Promise<Record<string, number>> {
  const status = await processNumbers(pid, "status");
  const files = await openFiles(pid);
  return {
    "KiB of memory": status("VmRSS"),
    threads: status("Threads"),
    handles: files.length,
    sockets: files.filter((file) => file.startsWith("socket:")).length,
  };
}

/** What a directory takes on the disk, logs included. */
async function kibibytes(path: string): Promise<number> {
  let blocks = 0;
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    const inner = `${path}/${name}`;
    if (isDirectory) blocks += 2 * await kibibytes(inner);
    // A file may go while it is looked at.
    else blocks += (await Deno.stat(inner).catch(() => null))?.blocks ?? 0;
  }
  return blocks / 2;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
