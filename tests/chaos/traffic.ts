/**
 * The traffic of a run: clients of the product's store that write down all
 * they do. Runs until its stdin ends; then says how its watches stand.
 *
 * @module
 */

import { jsonLines, sayLine } from "./child_program.ts";
import { Random } from "./random.ts";
import { runClient } from "./traffic_client.ts";
import { runWatcher } from "./traffic_watcher.ts";
import { runLeaseChurn } from "./traffic_leases.ts";

/** What the traffic is told first. */
export interface TrafficSetting {
  /** Where its choices come from. */
  readonly seed: number;
  /** For each client, the members' client URLs, its own member's first. */
  readonly clients: readonly (readonly string[])[];
  /** How many operations all clients aim at in a second. */
  readonly perSecond: number;
}

if (import.meta.main) {
  // A terminal's Ctrl-C is for the parent, which closes stdin.
  Deno.addSignalListener("SIGINT", () => {});
  const lines = jsonLines(Deno.stdin.readable);
  const first = await lines.next();
  const { seed, clients, perSecond } = first.value as TrafficSetting;
  const random = new Random(seed);
  const stopClients = new AbortController();
  const stopWatchers = new AbortController();
  const operations = { count: 0 };
  const pauseMs = clients.length / perSecond * 1_000;
  const parts = clients.flatMap((endpoints, index) => [
    runClient({
      name: `t${index}`,
      endpoints,
      pauseMs,
      operations,
      random: random.fork(),
      append: sayLine,
      signal: stopClients.signal,
    }),
    runWatcher({
      name: `w${index}`,
      endpoints,
      stays: index < 3,
      random: random.fork(),
      append: sayLine,
      hurry: stopClients.signal,
      signal: stopWatchers.signal,
    }),
  ]);
  const [endpoints = []] = clients;
  parts.push(runLeaseChurn({
    endpoints,
    random: random.fork(),
    signal: stopClients.signal,
  }));
  const running = Promise.all(parts);
  running.catch((error) => {
    console.error("The traffic broke off", error); // deno-lint-ignore-line
    Deno.exit(70);
  });
  for await (const line of lines) {
    // Watches go on until they have seen the markers.
    if (line === "quiet") stopClients.abort();
  }
  stopClients.abort();
  stopWatchers.abort();
  await running;
  sayLine({ type: "traffic ended" });
  Deno.exit(0);
}
