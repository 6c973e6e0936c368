/**
 * The traffic of a run: clients of the product's store that write down all
 * they do. Runs until its stdin ends; then says how its watches stand.
 *
 * @module
 */

import { jsonLines, sayLine } from "../machine/json_lines.ts";
import { Random } from "../simulation/random.ts";
import { runClient } from "./traffic_client.ts";
import { runWatcher } from "./traffic_watcher.ts";
import { runLeaseChurn } from "./traffic_leases.ts";

/** What the traffic says besides records. */
export type TrafficNote =
  /** No client works any more; watches go on. */
  | { readonly type: "quiet" }
  /** All is over, as asked. */
  | { readonly type: "ended" }
  /** A bug. */
  | { readonly type: "broken"; readonly error: string };

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
  const working = clients.map((endpoints, index) =>
    runClient({
      name: `t${index}`,
      endpoints,
      pauseMs,
      operations,
      random: random.fork(),
      append: sayLine,
      signal: stopClients.signal,
    })
  );
  const watching = clients.map((endpoints, index) =>
    runWatcher({
      name: `w${index}`,
      endpoints,
      stays: index < 3,
      random: random.fork(),
      append: sayLine,
      hurry: stopClients.signal,
      signal: stopWatchers.signal,
    })
  );
  const [endpoints = []] = clients;
  working.push(runLeaseChurn({
    endpoints,
    random: random.fork(),
    signal: stopClients.signal,
  }));
  const running = Promise.all([...working, ...watching]);
  Promise.all(working).then(() => sayLine({ type: "quiet" }), () => {});
  running.catch((error) => {
    sayLine({ type: "broken", error: String(error) });
    Deno.exit(70);
  });
  for await (const line of lines) {
    // Watches go on until they have seen the markers.
    if (line === "quiet") stopClients.abort();
  }
  stopClients.abort();
  stopWatchers.abort();
  await running;
  sayLine({ type: "ended" });
  Deno.exit(0);
}
