import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { FakeClock } from "../../tests/fakes/fake_clock.ts";
import { aborted } from "../base/abortable.ts";
import { systemClock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { MemoryDatabase } from "../store/memory/memory_database.ts";
import { MemoryStore } from "../store/memory/memory_store.ts";
import { type Leadership, ResignedError } from "../store/state_store.ts";
import { runElection } from "./election.ts";
import { TermCanceller } from "./term_canceller.ts";

/** Duties that say when they begin and end, and end when the test lets them. */
function scriptedDuties() {
  const began = Promise.withResolvers<Leadership>();
  const mayEnd = Promise.withResolvers<void>();
  return {
    began: began.promise,
    letEnd: () => mayEnd.resolve(),
    async duties(leadership: Leadership, signal: AbortSignal) {
      began.resolve(leadership);
      await new Promise((resolve) =>
        signal.addEventListener("abort", resolve, { once: true })
      );
      await mayEnd.promise;
    },
  };
}

Deno.test("runElection() gives the lease back only after the duties have ended", async () => {
  await using store = new MemoryStore();
  const script = scriptedDuties();
  const stop = new AbortController();
  const running = runElection(store, {
    leaderId: "n1",
    leaseTtlSeconds: 5,
    duties: script.duties,
    signal: stop.signal,
  });
  await script.began;

  stop.abort(new Error("stop"));
  await new Promise((resolve) => setImmediate(resolve));
  strictEqual(await store.getLeader(), "n1", "the duties have not ended");
  script.letEnd();
  await running;

  strictEqual(await store.getLeader(), undefined);
});

Deno.test("runElection() says of a lost term that it is over only when its duties have ended", async () => {
  await using store = new MemoryStore();
  const script = scriptedDuties();
  const stop = new AbortController();
  const told: boolean[] = [];
  const running = runElection(store, {
    leaderId: "n1",
    leaseTtlSeconds: 5,
    duties: script.duties,
    onTerm: (term) => told.push(term !== undefined),
    signal: stop.signal,
  });
  const { guard, signal } = await script.began;
  const lost = new Promise((resolve) =>
    signal.addEventListener("abort", resolve, { once: true })
  );
  await store.delete(guard.key);
  await lost;
  deepStrictEqual(told, [true]);

  stop.abort(new Error("stop"));
  script.letEnd();
  await running;
  deepStrictEqual(told, [true, false]);
});

Deno.test("runElection() goes on after a term that its own duties gave up", async () => {
  await using store = new MemoryStore();
  const stop = new AbortController();
  const reasons: unknown[] = [];
  const running = runElection(store, {
    leaderId: "n1",
    leaseTtlSeconds: 5,
    duties: async (leadership) => {
      if (reasons.length === 1) return stop.abort(new Error("stop"));
      await leadership.resign();
      reasons.push(leadership.signal.reason);
    },
    signal: stop.signal,
  });
  await running;
  strictEqual(reasons[0] instanceof ResignedError, true);
});

Deno.test("runElection() campaigns again after a lost term, with a higher fence", async () => {
  await using store = new MemoryStore();
  const stop = new AbortController();
  const terms: (bigint | undefined)[] = [];
  const twice = Promise.withResolvers<void>();
  const running = runElection(store, {
    leaderId: "n1",
    leaseTtlSeconds: 5,
    duties: async ({ guard }) => {
      if (terms.length === 1) await store.delete(guard.key);
      else twice.resolve();
    },
    onTerm: (term) => terms.push(term?.fence),
    signal: stop.signal,
  });
  await twice.promise;
  stop.abort(new Error("stop"));
  await running;

  deepStrictEqual(terms.map((fence) => fence !== undefined), [
    true,
    false,
    true,
    false,
  ]);
  strictEqual((terms[2] ?? 0n) > (terms[0] ?? 0n), true);
});

Deno.test("runElection() ends a term when it is told to from outside, and campaigns again", async () => {
  await using store = new MemoryStore();
  const termCanceller = new TermCanceller();
  const stop = new AbortController();
  const terms: bigint[] = [];
  let reason: unknown;
  await runElection(store, {
    leaderId: "n1",
    leaseTtlSeconds: 60,
    termCanceller,
    duties: async ({ fence }, signal) => {
      terms.push(fence);
      if (terms.length === 2) return stop.abort(new Error("stop"));
      termCanceller.end(new Error("its etcd ended"));
      reason = signal.reason;
      await aborted(signal);
    },
    signal: stop.signal,
  });
  strictEqual(messageOf(reason), "its etcd ended");
  strictEqual(terms.length, 2);
  const [first = 0n, second = 0n] = terms;
  ok(second > first, "the fence has grown");
});

Deno.test("runElection() ends a term whose duties fail, so that another may lead", async () => {
  const database = new MemoryDatabase(systemClock);
  await using store = new MemoryStore({ database });
  await using other = new MemoryStore({ database });
  const stop = new AbortController();
  const failing = runElection(store, {
    leaderId: "n1",
    leaseTtlSeconds: 60,
    duties: () => Promise.reject(new Error("cannot do it")),
    signal: stop.signal,
  });
  const term = await other.campaign("n2", 60);
  strictEqual(term.leaderId, "n2");
  stop.abort(new Error("stop"));
  await failing;
});

Deno.test("runElection() ends without an error when it is stopped while it waits", async () => {
  const database = new MemoryDatabase(systemClock);
  await using store = new MemoryStore({ database });
  await using other = new MemoryStore({ database });
  const term = await other.campaign("n2", 60);
  const stop = new AbortController();
  const waiting = runElection(store, {
    leaderId: "n1",
    leaseTtlSeconds: 60,
    duties: () => Promise.resolve(),
    signal: stop.signal,
  });
  stop.abort(new Error("stop"));
  await waiting;
  await term.resign();
  strictEqual(await store.getLeader(), undefined);
});

Deno.test("a MemoryStore that is cut off loses its term before another candidate is elected", async () => {
  const clock = new FakeClock();
  const database = new MemoryDatabase(clock);
  await using cutOff = new MemoryStore({ database, clock });
  await using other = new MemoryStore({ database, clock });
  const term = await cutOff.campaign("n1", 10);
  let lostAtMs = 0;
  term.signal.addEventListener("abort", () => lostAtMs = clock.nowMs());
  let elected: { atMs: number; term: Leadership } | undefined;
  const waiting = other.campaign("n2", 10).then((next) => {
    elected = { atMs: clock.nowMs(), term: next };
  });
  await clock.advance(5_000);

  cutOff.disconnect();
  await clock.advance(20_000);
  await waiting;

  strictEqual(lostAtMs > 0 && lostAtMs < (elected?.atMs ?? 0), true);
  await rejects(term.doTransaction([], []), /could not be renewed in time/);
  cutOff.reconnect();
  strictEqual(await cutOff.doTransaction([term.guard], [], []), false);
  strictEqual(await cutOff.getLeader(), "n2");
});
