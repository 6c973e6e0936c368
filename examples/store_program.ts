/**
 * What a program does with the store: put, get and watch, and as leader write
 * what no other may write. Without an argument it uses a store in memory, with
 * client URLs (as `http://127.0.0.1:2379`) the store on that etcd.
 *
 * ```sh
 * deno run --allow-env --allow-net --allow-sys examples/store_program.ts
 * ```
 *
 * @module
 */

// deno-lint-ignore-file no-console

import { type Duties, runElection } from "@kat/agent/election";
import { MemoryStore } from "@kat/agent/memory";
import { EtcdStore, type StateStore } from "@kat/agent/store";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function openStore(endpoints: readonly string[]): StateStore {
  return endpoints.length > 0
    ? new EtcdStore({ endpoints })
    : new MemoryStore();
}

await using store = openStore(Deno.args);

// A put resolves with the key's new version, a get shows it to all.
const version = await store.put("/example/colour", encoder.encode("red"));
const found = await store.get("/example/colour");
console.log(
  `get: ${decoder.decode(found?.value)}, ${found?.version === version}`,
);

// From the version after this one on, a watch misses and repeats nothing.
await using watch = await store.watch("/example/", {
  startRevision: version + 1n,
});

// What a leader does: it ends soon after the signal aborts.
const stop = new AbortController();
const duties: Duties = async (leadership, signal) => {
  signal.throwIfAborted();
  // Refused by the store if another has become leader meanwhile.
  const committed = await leadership.doTransaction(
    [{ key: "/example/colour", expectedVersion: version }],
    [{ type: "put", key: "/example/colour", value: encoder.encode("green") }],
  );
  console.log(`leader: ${leadership.leaderId}, written: ${committed}`);
};
const election = runElection(store, {
  leaderId: "example",
  leaseTtlSeconds: 15,
  duties,
  signal: stop.signal,
});

// An event may come before the leader itself has its answer.
const { value: event } = await watch.next();

// The duties end, then the leader resigns, so that the next need not wait.
stop.abort();
await election;
if (event) {
  const { type, kv } = event;
  console.log(`watch: ${type} ${kv.key} = ${decoder.decode(kv.value)}`);
}
console.log(`leader now: ${await store.getLeader() ?? "none"}`);
