/**
 * A peer under Deno as a process of its own: does what it is asked for by lines
 * of JSON on stdin and answers each with lines of JSON, as the peer in Go does.
 *
 * ```
 * serve_requests.ts store|etcd3 ENDPOINT
 * ```
 *
 * @module
 */

import { createInterface } from "node:readline";
import { stdin } from "node:process";
import type { BenchClient } from "./bench_client.ts";
import { etcd3Client } from "./etcd3_client.ts";
import { type Load, runCallers } from "./run_callers.ts";
import { runWatches, type Watching } from "./run_watches.ts";
import {
  type Campaign,
  type HandOver,
  StoreCandidates,
} from "./store_candidates.ts";
import { storeClient } from "./store_client.ts";
import { writeEvents, type Writing } from "./write_events.ts";

/** What can be asked for. */
export type Request =
  | { readonly do: "calls" } & Load
  | { readonly do: "list"; readonly prefix: string }
  | { readonly do: "watch" } & Watching
  | { readonly do: "write" } & Writing
  | { readonly do: "campaign" } & Campaign
  | { readonly do: "handOver" } & HandOver
  | { readonly do: "leave" };

const READY = { ready: true };

async function main([kind = "", endpoint = ""]: string[]): Promise<void> {
  const client = (kind === "store" ? storeClient : etcd3Client)(endpoint);
  const serve = server(client, endpoint);
  for await (const line of createInterface({ input: stdin })) {
    say(await serve(JSON.parse(line)));
  }
  await client.close();
}

function server(
  client: BenchClient,
  endpoint: string,
): (request: Request) => Promise<unknown> {
  let candidates: StoreCandidates | undefined;
  return async (request) => {
    switch (request.do) {
      case "calls":
        return await runCallers(client, request);
      case "list":
        return await list(client, request.prefix);
      case "watch":
        return await runWatches(client, request, () => say(READY));
      case "write":
        return await writeEvents(client, request);
      case "campaign":
        candidates = await StoreCandidates.enter(endpoint, request);
        return READY;
      case "handOver":
        return { ms: await candidates?.handOver(request) };
      case "leave":
        await candidates?.leave();
        return READY;
    }
  };
}

async function list(
  client: BenchClient,
  prefix: string,
): Promise<{ readonly count: number; readonly ms: number }> {
  const start = performance.now();
  const count = await client.list(prefix);
  return { count, ms: performance.now() - start };
}

function say(answer: unknown): void {
  Deno.stdout.writeSync(
    new TextEncoder().encode(`${JSON.stringify(answer)}\n`),
  );
}

if (import.meta.main) await main(Deno.args);
