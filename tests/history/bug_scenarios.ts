/**
 * Small runs, seconds long, whose histories the checkers accept from the correct
 * source and reject from the source with one planted bug.
 *
 * @module
 */

import { systemClock } from "../../src/base/clock.ts";
import { eventually } from "../machine/eventually.ts";
import { startTcpProxy } from "../fakes/tcp_proxy.ts";
import { startTestEtcd, type TestEtcd } from "../machine/test_etcd.ts";
import { recordTruth } from "./ctl_recorder.ts";
import { type History, type HistoryRecord, toHistory } from "./history.ts";
import { monotonicNs } from "./monotonic_clock.ts";
import type { SourceTree } from "./planted_bugs.ts";
import { RecordedStore, recordWatch } from "./recorded_store.ts";
import { type Scenario, SMALL_RUN } from "./small_run.ts";
import { startSlowTrio } from "./slow_trio.ts";

type EtcdStoreModule = typeof import("../../src/store/etcd/etcd_store.ts");
type ElectionModule = typeof import("../../src/election/election.ts");
type MemoryStoreModule =
  typeof import("../../src/store/memory/memory_store.ts");
type MemoryDatabaseModule =
  typeof import("../../src/store/memory/memory_database.ts");

/** Opens stores of the source tree's own making. */
export async function storesOf(source: SourceTree) {
  const { EtcdStore } = await source.load<EtcdStoreModule>(
    "store/etcd/etcd_store.ts",
  );
  return (endpoint: string) => new EtcdStore({ endpoints: [endpoint] });
}

/** A history with what really happened in etcd. */
export async function withTruth(
  records: readonly HistoryRecord[],
  etcd: TestEtcd,
): Promise<History> {
  return toHistory([SMALL_RUN, ...records, ...await recordTruth(etcd)]);
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A leader that gets no answers, and has been replaced, writes under its guard. */
export const staleLeaderWrites: Scenario = async (source) => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  const open = await storesOf(source);
  await using store = open(proxy.endpoint);
  await using other = open(etcd.endpoint);
  const records: HistoryRecord[] = [];
  const append = (record: HistoryRecord) => records.push(record);
  const term = await store.campaign("n1", 60);
  const deposed = new RecordedStore(store, "n1", append);
  const leader = new RecordedStore(other, "n2", append);
  const put = (recorded: RecordedStore) =>
    [{
      type: "put",
      key: "/counter",
      value: bytes(recorded.newValue()),
    }] as const;
  await deposed.guarded(term, put(deposed), { deposed: false });

  // Requests go out and no answer comes in, so that it cannot know.
  proxy.pauseAnswers();
  await etcd.ctl("del", term.guard.key);
  const next = await other.campaign("n2", 60);
  await leader.guarded(next, put(leader), { deposed: false });
  const stale = deposed.guarded(term, put(deposed), { deposed: true });
  await proxy.answerHeld();
  proxy.resume();
  await stale;
  return await withTruth(records, etcd);
};

/** A member that lags behind and does not know is asked for what others wrote. */
export const laggingMemberIsAsked: Scenario = (source) =>
  askLaggingMember(source, 1);

/** It is asked by several callers at once. */
export const laggingMemberIsAskedByMany: Scenario = (source) =>
  askLaggingMember(source, 3);

async function askLaggingMember(
  source: SourceTree,
  callers: number,
): Promise<History> {
  await using trio = await startSlowTrio();
  const open = await storesOf(source);
  const records: HistoryRecord[] = [];
  const append = (record: HistoryRecord) => records.push(record);
  await using leading = open(trio.leader.endpoint);
  await using lagging = open(trio.follower.endpoint);
  const writer = new RecordedStore(leading, "writer", append);
  const reader = new RecordedStore(lagging, "reader", append);
  await writer.put("/a", writer.newValue());
  await reader.get("/a");

  trio.follower.signal("SIGSTOP");
  // More than the connections between them hold, so that it cannot catch up.
  for (let count = 0; count < 24; count++) {
    await leading.put(`/large/${count}`, new Uint8Array(1_000_000), {
      timeoutMs: 30_000,
    });
  }
  await writer.put("/a", writer.newValue(), { timeoutMs: 30_000 });
  trio.leader.signal("SIGSTOP");
  trio.other.signal("SIGSTOP");
  trio.follower.signal("SIGCONT");
  await Promise.all(Array.from({ length: callers }, (_, n) => {
    const caller = new RecordedStore(lagging, `reader${n}`, append);
    return caller.get("/a", { timeoutMs: 1_500 });
  }));
  return toHistory([SMALL_RUN, ...records]);
}

/** The answer to a transaction is lost with its connection. */
export const answerIsLost: Scenario = async (source) => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  const open = await storesOf(source);
  await using store = open(proxy.endpoint);
  await using witness = open(etcd.endpoint);
  const records: HistoryRecord[] = [];
  const recorded = new RecordedStore(
    store,
    "c1",
    (record) => records.push(record),
  );
  await recorded.get("/a");
  await using watch = await witness.watch("/a");

  proxy.pauseAnswers();
  const value = bytes(recorded.newValue());
  const put = { type: "put", key: "/a", value } as const;
  const written = recorded.transaction([], [put], [], { timeoutMs: 3_000 });
  await watch.next();
  proxy.cut();
  proxy.resume();
  await written;
  return await withTruth(records, etcd);
};

/** A connection breaks while a watch is open, and something happens meanwhile. */
export const watchIsCutOff: Scenario = async (source) => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  const open = await storesOf(source);
  await using store = open(proxy.endpoint);
  await using other = open(etcd.endpoint);
  const records: HistoryRecord[] = [];
  const append = (record: HistoryRecord) => records.push(record);
  const writer = new RecordedStore(other, "c1", append);
  let seen = 0;
  const { end } = await recordedWatch(store, {
    key: "/n/",
    records,
    until: () => ++seen >= 3,
  });
  await writer.put("/n/1", writer.newValue());
  await eventually(() => {
    if (seen < 1) throw new Error("not yet seen");
  });

  proxy.pause();
  await writer.put("/n/2", writer.newValue());
  proxy.cut();
  proxy.resume();
  // Whatever is written now reaches a watch that was opened again.
  await eventually(async () => {
    if (seen >= 3) return;
    await writer.put("/n/3", writer.newValue());
    throw new Error("not yet seen");
  });
  await end;
  return await withTruth(records, etcd);
};

/** A member cancels a watch, for its start is compacted. */
export const watchIsCancelled: Scenario = async (source) => {
  await using etcd = await startTestEtcd();
  const open = await storesOf(source);
  await using store = open(etcd.endpoint);
  const records: HistoryRecord[] = [];
  const append = (record: HistoryRecord) => records.push(record);
  const writer = new RecordedStore(store, "c1", append);
  for (let count = 0; count < 3; count++) {
    await writer.put("/n/1", writer.newValue());
  }
  await etcd.ctl("compact", "4");
  const enough = new AbortController();
  const { end } = await recordedWatch(store, {
    key: "/n/",
    startRevision: 2n,
    records,
    until: (value) => value === "marker",
    signal: enough.signal,
  });
  const revision = Number(await store.put("/n/marker", bytes("marker")));
  const at_ns = monotonicNs();
  append({
    type: "mark",
    name: "marker",
    at_ns,
    key: "/n/marker",
    value: "marker",
    revision,
  });
  // A watch that says nothing within the checker's bound has fallen silent.
  const bound = systemClock.sleep(5_100, { signal: enough.signal })
    .then(() => enough.abort(new Error("enough")), () => {});
  await end;
  enough.abort(new Error("enough"));
  await bound;
  return toHistory([SMALL_RUN, ...records]);
};

/** Many messages come before the first of them is read. */
export const watcherIsSlow: Scenario = async (source) => {
  await using etcd = await startTestEtcd();
  const open = await storesOf(source);
  await using store = open(etcd.endpoint);
  await using witness = open(etcd.endpoint);
  const records: HistoryRecord[] = [];
  const writer = new RecordedStore(
    store,
    "ü\u{1f600}",
    (record) => records.push(record),
  );
  const from = (await store.list("/n/")).revision + 1n;
  const asked_ns = monotonicNs();
  await using watch = await store.watch("/n/", { startRevision: from });
  records.push(opened("w1", { key: "/n/", from, asked_ns }));
  await using all = await witness.watch("/n/", { startRevision: from });
  let last = "";
  for (let count = 0; count < 10; count++) {
    await writer.put(`/n/ä\u2028${count}`, last = writer.newValue());
    await all.next();
  }
  await recordWatch(watch, {
    watcher: "w1",
    append: (record) => records.push(record),
    until: (value) => value === last,
  });
  return await withTruth(records, etcd);
};

/** A list goes over several pages, with keys that begin with each other. */
export const listHasPages: Scenario = async (source) => {
  await using etcd = await startTestEtcd();
  const open = await storesOf(source);
  await using store = open(etcd.endpoint);
  const records: HistoryRecord[] = [];
  const recorded = new RecordedStore(
    store,
    "c1",
    (record) => records.push(record),
  );
  for (let count = 1; count <= 40; count++) {
    await recorded.put(`/n/${"x".repeat(count)}`, recorded.newValue());
  }
  await recorded.list("/n/");
  return await withTruth(records, etcd);
};

/** A leader is told to stop whose work takes its time to end. */
export const workTakesTime: Scenario = async (source) => {
  const { runElection } = await source.load<ElectionModule>(
    "election/election.ts",
  );
  const { MemoryStore } = await source.load<MemoryStoreModule>(
    "store/memory/memory_store.ts",
  );
  const { MemoryDatabase } = await source.load<MemoryDatabaseModule>(
    "store/memory/memory_database.ts",
  );
  const database = new MemoryDatabase(systemClock);
  const records: HistoryRecord[] = [SMALL_RUN];
  const working = new Map<string, boolean>();
  const node = (leaderId: string, mayEnd: Promise<void>) => {
    const store = new MemoryStore({ database });
    const stop = new AbortController();
    const began = Promise.withResolvers<void>();
    const running = runElection(store, {
      leaderId,
      leaseTtlSeconds: 60,
      signal: stop.signal,
      async duties(_leadership, signal) {
        working.set(leaderId, true);
        began.resolve();
        await new Promise((resolve) =>
          signal.addEventListener("abort", resolve, { once: true })
        );
        await mayEnd;
        working.set(leaderId, false);
      },
    });
    return { store, stop, running, began: began.promise };
  };
  const end = Promise.withResolvers<void>();
  const first = node("n1", end.promise);
  await first.began;
  const second = node("n2", Promise.resolve());

  first.stop.abort(new Error("stop"));
  // Far more turns than an election in memory takes.
  for (let turn = 0; turn < 500; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (turn === 400) end.resolve();
    for (const [name, leads] of working) {
      const asked_ns = monotonicNs();
      const answered_ns = asked_ns + 1;
      records.push({ type: "probe", node: name, asked_ns, answered_ns, leads });
    }
  }
  await first.running;
  await second.began;
  second.stop.abort(new Error("stop"));
  await second.running;
  await first.store.close();
  await second.store.close();
  return toHistory(records);
};

function opened(
  watcher: string,
  { key, from, asked_ns }: {
    readonly key: string;
    readonly from: bigint;
    readonly asked_ns: number;
  },
): HistoryRecord {
  const at_ns = monotonicNs();
  const from_revision = Number(from);
  const what = "opened";
  return { type: "watch", watcher, what, asked_ns, at_ns, key, from_revision };
}

/** Opens a watch and records it; resolves with a promise of its end. */
async function recordedWatch(
  store: InstanceType<EtcdStoreModule["EtcdStore"]>,
  { key, startRevision, records, until, signal }: {
    readonly key: string;
    readonly startRevision?: bigint;
    readonly records: HistoryRecord[];
    readonly until: (value: string | null) => boolean;
    readonly signal?: AbortSignal;
  },
): Promise<{ readonly end: Promise<void> }> {
  const from = startRevision ?? (await store.list(key)).revision + 1n;
  const asked_ns = monotonicNs();
  const watch = await store.watch(key, { startRevision: from, signal });
  records.push(opened("w1", { key, from, asked_ns }));
  const append = (record: HistoryRecord) => records.push(record);
  return { end: recordWatch(watch, { watcher: "w1", append, until }) };
}
