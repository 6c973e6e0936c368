import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { systemClock } from "../base/clock.ts";
import { TIMING_KEY } from "../store/keys.ts";
import { MemoryDatabase } from "../store/memory/memory_database.ts";
import { MemoryStore } from "../store/memory/memory_store.ts";
import { describeTiming, leaseInForce, mergeTiming } from "./cluster_timing.ts";
import { agreeOnTiming, readTiming, updateTiming } from "./agree_on_timing.ts";
import type { ClusterSpec } from "../config/cluster_config.ts";

const { signal } = new AbortController();
const OPTIONS = {
  nodeName: "n1",
  members: 3,
  etcd: {},
  probe: undefined,
  isLeaseGiven: false,
  signal,
};
const measured = (p99Ms: number) => ({ probe: { p99Ms, writes: 200 } });

Deno.test("mergeTiming() takes the slowest disk for all, whoever comes first", () => {
  const fast = mergeTiming(undefined, { ...OPTIONS, ...measured(2.004) });
  const slow = { ...OPTIONS, ...measured(25), nodeName: "n2" };

  deepStrictEqual(fast, {
    heartbeatIntervalMs: 100,
    electionTimeoutMs: 1_000,
    diskP99Ms: 2,
    slowestNode: "n1",
    leaderLeaseSeconds: 15,
  });
  const both = mergeTiming(fast, slow);
  deepStrictEqual(both, mergeTiming(undefined, slow));
  strictEqual(both.heartbeatIntervalMs, 250);
  strictEqual(both.slowestNode, "n2");
  deepStrictEqual(mergeTiming(both, { ...OPTIONS, ...measured(3) }), both);
  deepStrictEqual(mergeTiming(both, OPTIONS), both);
});

Deno.test("mergeTiming() leaves the lease to cluster.kat when that says one", () => {
  const slow = { ...OPTIONS, ...measured(90) };
  const follows = mergeTiming(undefined, slow);
  const given = mergeTiming(follows, { ...slow, isLeaseGiven: true });
  const spec = { leaderLeaseSeconds: 5 };

  strictEqual(leaseInForce(spec, follows), 18);
  strictEqual(leaseInForce(spec, given), 5);
  strictEqual(leaseInForce(spec, undefined), 5);
});

Deno.test("mergeTiming() leaves the lease as it is when cluster.kat is not at hand", () => {
  const unknown = { ...OPTIONS, isLeaseGiven: undefined };
  const follows = mergeTiming(undefined, OPTIONS);
  const given = mergeTiming(undefined, { ...OPTIONS, isLeaseGiven: true });

  strictEqual(mergeTiming(follows, unknown).leaderLeaseSeconds, 15);
  strictEqual(mergeTiming(given, unknown).leaderLeaseSeconds, undefined);
  strictEqual(mergeTiming(undefined, unknown).leaderLeaseSeconds, undefined);
});

Deno.test("mergeTiming() leaves the lease as another node has set it when this node's cluster.kat says nothing new", () => {
  const follows = mergeTiming(undefined, OPTIONS);
  const given = mergeTiming(undefined, { ...OPTIONS, isLeaseGiven: true });
  const kept = { ...OPTIONS, isLeaseKept: true };

  strictEqual(mergeTiming(given, kept).leaderLeaseSeconds, undefined);
  strictEqual(
    mergeTiming(follows, { ...kept, isLeaseGiven: true }).leaderLeaseSeconds,
    15,
  );
  strictEqual(mergeTiming(undefined, kept).leaderLeaseSeconds, 15);
});

Deno.test("mergeTiming() gives a lease that outlasts an election as long as cluster.kat says", () => {
  const etcd = { electionTimeoutMs: 10_000 };

  strictEqual(
    mergeTiming(undefined, { ...OPTIONS, etcd }).leaderLeaseSeconds,
    36,
  );
});

Deno.test("updateTiming() keeps the slowest disk when all nodes come at once, and writes nothing new after", async () => {
  const database = new MemoryDatabase(systemClock);
  await using store = new MemoryStore({ database });
  const disks = [3, 40, 12];

  await Promise.all(disks.map((p99Ms, index) =>
    updateTiming(store, {
      ...OPTIONS,
      ...measured(p99Ms),
      nodeName: `n${index + 1}`,
    })
  ));

  const timing = await readTiming(store, { signal });
  strictEqual(timing?.slowestNode, "n2");
  strictEqual(timing?.electionTimeoutMs, 4_000);
  const before = await store.get(TIMING_KEY);
  const again = await updateTiming(store, { ...OPTIONS, ...measured(3) });
  deepStrictEqual(again, timing);
  strictEqual((await store.get(TIMING_KEY))?.version, before?.version);
});

Deno.test("updateTiming() replaces what is no timing", async () => {
  await using store = new MemoryStore({
    database: new MemoryDatabase(systemClock),
  });
  await store.put(TIMING_KEY, new TextEncoder().encode("strange"));

  const shared = await updateTiming(store, { ...OPTIONS, ...measured(3) });

  deepStrictEqual(await readTiming(store, { signal }), shared);
});

Deno.test("describeTiming() tells the usual timing when the store holds none", () => {
  const spec = { leaderLeaseSeconds: 15, etcd: {} } as ClusterSpec;

  deepStrictEqual(describeTiming(spec, undefined, 1), {
    heartbeatIntervalMs: 10,
    electionTimeoutMs: 100,
    leaderLeaseSeconds: 15,
    failoverSeconds: 16,
  });
});

Deno.test("agreeOnTiming() lets a node that is alone serve before its disk is measured, and updates the store after", async () => {
  await using store = new MemoryStore({
    database: new MemoryDatabase(systemClock),
  });
  const probing = Promise.withResolvers<{ p99Ms: number; writes: number }>();
  const told: unknown[] = [];
  const { probe: _, ...options } = OPTIONS;

  const agreed = await agreeOnTiming(store, {
    ...options,
    members: 1,
    known: undefined,
    probing: probing.promise,
    onStored: (timing) => Promise.resolve(void told.push(timing)),
  });
  strictEqual(agreed.timing.electionTimeoutMs, 100);
  deepStrictEqual(told, []);
  probing.resolve({ p99Ms: 9, writes: 200 });
  await agreed[Symbol.asyncDispose]();

  const shared = await readTiming(store, { signal });
  strictEqual(shared?.diskP99Ms, 9);
  deepStrictEqual(told, [shared]);
});
