import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { systemClock } from "../../base/clock.ts";
import {
  FakeEtcd,
  type FakeEtcdInit,
  turns,
} from "../../../tests/fakes/fake_etcd.ts";
import { FakeClock } from "../../../tests/fakes/fake_clock.ts";
import { ELECTION_PREFIX } from "../keys.ts";
import { EtcdStore } from "./etcd_store.ts";
import {
  type KV,
  OutcomeUnknownError,
  StoreClosedError,
  StoreRequestError,
  StoreUnavailableError,
} from "../state_store.ts";

interface Setting extends AsyncDisposable {
  readonly etcd: FakeEtcd;
  readonly store: EtcdStore;
}

function start(init: FakeEtcdInit = {}, clock = systemClock): Setting {
  const etcd = new FakeEtcd(init);
  const store = openStore(etcd, clock);
  return { etcd, store, [Symbol.asyncDispose]: () => store.close() };
}

function openStore(etcd: FakeEtcd, clock = systemClock): EtcdStore {
  const connect = () => etcd.connect();
  return new EtcdStore({ endpoints: ["fake"], clock, connect });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(kv: KV | undefined): string | undefined {
  return kv && new TextDecoder().decode(kv.value);
}

/** How many operations each request that reached etcd had. */
function sizes({ requests }: FakeEtcd): readonly number[] {
  return requests.map(({ ops }) => ops.length);
}

/** Holds all requests until it is called. */
function hold(etcd: FakeEtcd): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  etcd.gate = promise;
  return () => {
    etcd.gate = undefined;
    resolve();
  };
}

const ALL_PLACES = ["p1", "p2", "p3", "p4"];

/** Takes all places, so that what is issued from now on waits. */
async function takePlaces(store: EtcdStore): Promise<void> {
  for (const key of ALL_PLACES) {
    store.put(key, bytes(key)).catch(() => {});
    await turns(1);
  }
}

Deno.test("EtcdStore.put() of what is issued while all is busy leaves together", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const release = hold(etcd);
  await takePlaces(store);
  const puts = ["a", "b", "c"].map((key) => store.put(key, bytes(key)));
  release();
  const versions = await Promise.all(puts);

  deepStrictEqual(sizes(etcd), [1, 1, 1, 1, 3]);
  strictEqual(etcd.requests.at(-1)?.method, "txn");
  deepStrictEqual(etcd.requests.slice(0, 4).map(({ method }) => method), [
    "put",
    "put",
    "put",
    "put",
  ]);
  for (const [index, key] of ["a", "b", "c"].entries()) {
    const kv = await store.get(key);
    strictEqual(text(kv), key);
    strictEqual(kv?.version, versions[index]);
  }
});

Deno.test("EtcdStore.get() gives each of many its own key", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const keys = Array.from({ length: 50 }, (_, n) => `${n}`);
  for (const key of keys.slice(10)) {
    await store.put(key, bytes(`v${key}`));
  }
  const found = await Promise.all(keys.map((key) => store.get(key)));
  deepStrictEqual(
    found.map(text),
    keys.map((key, index) => index < 10 ? undefined : `v${key}`),
  );
  ok(sizes(etcd).some((size) => size > 10), "they shared");
});

Deno.test("EtcdStore() learns how many operations etcd takes, and no caller notices", async () => {
  await using setting = start({ maxOps: 10 });
  const { etcd, store } = setting;
  const numbers = Array.from({ length: 300 }, (_, n) => n);
  for (let round = 0; round < 8; round++) {
    await Promise.all(
      numbers.map((n) => store.put(`${n}`, bytes(`${round}`))),
    );
  }
  const found = await Promise.all(
    numbers.map((n) => store.get(`${n}`)),
  );
  deepStrictEqual([...new Set(found.map(text))], ["7"]);
  etcd.requests.length = 0;
  await Promise.all(
    numbers.map((n) => store.put(`${n}`, bytes("last"))),
  );
  strictEqual(Math.max(...sizes(etcd)), 10);
  ok(etcd.requests.length < 50, `${etcd.requests.length} requests`);
});

Deno.test("EtcdStore() learns how many bytes etcd takes, and no caller notices", async () => {
  await using setting = start({ maxBytes: 3_000 });
  const { etcd, store } = setting;
  const value = new Uint8Array(500).fill(97);
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  for (let round = 0; round < 5; round++) {
    await Promise.all(numbers.map((n) => store.put(`${n}`, value)));
  }
  etcd.requests.length = 0;
  await Promise.all(numbers.map((n) => store.put(`${n}`, value)));
  ok(Math.max(...sizes(etcd)) >= 3, `${sizes(etcd)}`);
  ok(etcd.requests.length < 50, `${etcd.requests.length} requests`);
});

Deno.test("EtcdStore.put() that etcd refuses fails alone", async () => {
  await using setting = start({
    forbidden: (key) => key === "bad",
    maxBytes: 40_000,
  });
  const { store } = setting;
  const outcomes = await Promise.allSettled([
    ...Array.from(
      { length: 20 },
      (_, n) => store.put(`${n}`, bytes("x")),
    ),
    store.put("bad", bytes("x")),
    store.put("", bytes("x")),
    store.put("large", new Uint8Array(50_000)),
    ...Array.from(
      { length: 20 },
      (_, n) => store.put(`m${n}`, bytes("x")),
    ),
  ]);
  const failed = outcomes.flatMap((one, index) =>
    one.status === "rejected" ? [{ index, reason: one.reason }] : []
  );
  deepStrictEqual(failed.map(({ index }) => index), [20, 21, 22]);
  for (const { reason } of failed) ok(reason instanceof StoreRequestError);
  strictEqual(
    failed[0]?.reason.message,
    'Cannot put "bad": etcdserver: permission denied (fake)',
  );
});

Deno.test("EtcdStore.put() whose shared answer is lost is unknown to each, and not sent again", async () => {
  await using setting = start({
    fate: ({ ops }) => ops.length > 1 ? { trouble: "unanswered" } : {},
  });
  const { etcd, store } = setting;
  const release = hold(etcd);
  await takePlaces(store);
  const puts = ["a", "b"].map((key) => store.put(key, bytes(key)));
  release();
  for (const [index, put] of puts.entries()) {
    await rejects(put, (error: unknown) => {
      ok(error instanceof OutcomeUnknownError);
      ok(error.message.startsWith(`Cannot put "${"ab"[index]}": `));
      return true;
    });
  }
  deepStrictEqual(sizes(etcd), [1, 1, 1, 1, 2]);
});

Deno.test("EtcdStore.get() whose shared answer is lost is asked again", async () => {
  let lost = 0;
  await using setting = start({
    fate: ({ ops }) =>
      ops.length > 1 && lost++ === 0 ? { trouble: "unanswered" } : {},
  });
  const { store } = setting;
  await store.put("3", bytes("x"));
  const found = await Promise.all(
    Array.from({ length: 20 }, (_, n) => store.get(`${n}`)),
  );
  strictEqual(found.filter((kv) => kv).length, 1);
  strictEqual(text(found[3]), "x");
  ok(lost > 1);
});

Deno.test("EtcdStore.put() whose signal aborts while it waits is not done, and the others are", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const release = hold(etcd);
  await takePlaces(store);
  const controller = new AbortController();
  const a = store.put("a", bytes("x"));
  const b = store.put("b", bytes("x"), { signal: controller.signal });
  const c = store.put("c", bytes("x"));
  await turns(1);
  controller.abort(new Error("enough"));
  await rejects(b, /enough/);
  release();
  await Promise.all([a, c]);
  strictEqual(await store.get("b"), undefined);
  strictEqual(text(await store.get("c")), "x");
});

Deno.test("EtcdStore.put() whose signal aborts in a shared request leaves the others in it", async () => {
  await using setting = start({ fate: () => ({ back: 5 }) });
  const { etcd, store } = setting;
  const release = hold(etcd);
  await takePlaces(store);
  const controller = new AbortController();
  const a = store.put("a", bytes("x"));
  const b = store.put("b", bytes("x"), { signal: controller.signal });
  release();
  while (etcd.requests.at(-1)?.ops.length !== 2) await turns(1);
  controller.abort(new Error("enough"));
  await rejects(b, /enough/);
  strictEqual(typeof await a, "bigint");
});

Deno.test("EtcdStore.put() keeps to its own deadline, waiting or shared", async () => {
  const clock = new FakeClock();
  await using setting = start({}, clock);
  const { etcd, store } = setting;
  const release = hold(etcd);
  await takePlaces(store);
  const short = store.put("a", bytes("x"), { timeoutMs: 10 });
  const long = store.put("b", bytes("x"), { timeoutMs: 10_000 });
  const waiting = rejects(short, StoreUnavailableError);
  await clock.advance(30);
  await waiting;
  const shared = store.put("c", bytes("x"), { timeoutMs: 200 });
  const unknown = rejects(shared, OutcomeUnknownError);
  // What takes long gives its place back: the two leave together.
  await clock.advance(100);
  await clock.advance(200);
  await unknown;
  release();
  strictEqual(typeof await long, "bigint");
  strictEqual(await store.get("a"), undefined);
  strictEqual(text(await store.get("c")), "x");
});

Deno.test("EtcdStore.put() that reaches no member in time is certainly not done, for each caller by its own deadline", async () => {
  const clock = new FakeClock();
  let away = false;
  await using setting = start({
    fate: () => away ? { trouble: "unreached" } : {},
  }, clock);
  const { etcd, store } = setting;
  const release = hold(etcd);
  await takePlaces(store);
  const short = store.put("a", bytes("x"), { timeoutMs: 1_000 });
  const long = store.put("b", bytes("x"), { timeoutMs: 20_000 });
  away = true;
  release();
  const ended = rejects(
    short,
    (error: unknown) =>
      error instanceof StoreUnavailableError && error.outcome === "not-done",
  );
  await clock.advance(1_100);
  await ended;
  away = false;
  await clock.advance(2_000);
  strictEqual(typeof await long, "bigint");
});

Deno.test("EtcdStore.delete() and get() go on when the database is full", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const keys = Array.from({ length: 20 }, (_, n) => `${n}`);
  await Promise.all(keys.map((key) => store.put(key, bytes("x"))));
  etcd.full = true;
  const puts = await Promise.allSettled(
    keys.map((key) => store.put(key, bytes("y"))),
  );
  for (const put of puts) {
    ok(put.status === "rejected" && put.reason instanceof OutcomeUnknownError);
  }
  const found = await Promise.all(keys.map((key) => store.get(key)));
  deepStrictEqual([...new Set(found.map(text))], ["x"]);
  await Promise.all(keys.map((key) => store.delete(key)));
  etcd.full = false;
  strictEqual(await store.get("1"), undefined);
});

Deno.test("EtcdStore.delete() of many goes on when the database is full and the store has not noticed", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const keys = Array.from({ length: 60 }, (_, n) => `${n}`);
  await Promise.all(keys.map((key) => store.put(key, bytes("x"))));
  etcd.full = true;
  etcd.requests.length = 0;
  await Promise.all(keys.map((key) => store.delete(key)));
  for (const key of keys) strictEqual(etcd.at(key, Infinity), undefined);
  strictEqual(
    etcd.changes.filter(({ value }) => value === undefined).length,
    keys.length,
  );
});

Deno.test("EtcdStore.delete() that was done although there is no space is not done again", async () => {
  await using setting = start({
    fate: ({ method, ops: [op] }) =>
      method === "txn" && op?.request_delete_range
        ? { trouble: "overfull", back: 40 }
        : {},
  });
  const { etcd, store } = setting;
  const keys = ["a", "b", "c", "d"];
  await Promise.all(keys.map((key) => store.put(key, bytes("x"))));
  const deletes = Promise.allSettled(
    keys.map((key) => store.delete(key)),
  );
  while (etcd.at("a", Infinity)) await turns(1);
  // Another client creates it anew before the answer is there.
  const other = openStore(etcd);
  await other.put("a", bytes("new"));
  await other.close();
  const [a, ...rest] = await deletes;
  ok(a?.status === "rejected" && a.reason instanceof OutcomeUnknownError);
  for (const { status } of rest) strictEqual(status, "fulfilled");
  strictEqual(text(await store.get("a")), "new");
});

Deno.test("EtcdStore.delete() in doubt stays unknown if etcd cannot be read, or ends with its callers' signal", async () => {
  let reads = 0;
  let refused = false;
  await using setting = start({
    fate: ({ method, ops: [op] }) => {
      if (method === "txn" && op?.request_delete_range) {
        refused = true;
        return { trouble: "overfull" };
      }
      if (!refused || !op?.request_range) return {};
      reads += 1;
      return { trouble: "unanswered" };
    },
  });
  const { store } = setting;
  const keys = ["a", "b", "c", "d"];
  const deleteAll = async (signal?: AbortSignal) => {
    refused = false;
    await Promise.all(keys.map((key) => store.put(key, bytes("x"))));
    const options = { signal, timeoutMs: signal ? 60_000 : 100 };
    return await Promise.allSettled(
      keys.map((key) => store.delete(key, options)),
    );
  };

  for (const one of await deleteAll()) {
    ok(one.status === "rejected" && one.reason instanceof OutcomeUnknownError);
  }

  reads = 0;
  const controller = new AbortController();
  const deletes = deleteAll(controller.signal);
  while (reads === 0) await turns(1);
  controller.abort("enough");
  deepStrictEqual(
    await deletes,
    keys.map(() => ({ status: "rejected", reason: "enough" })),
  );
});

Deno.test("EtcdStore.get() shares again some time after the database was full", async () => {
  const clock = new FakeClock();
  await using setting = start({}, clock);
  const { etcd, store } = setting;
  const keys = Array.from({ length: 20 }, (_, n) => `${n}`);
  const getAll = async () => {
    etcd.requests.length = 0;
    await Promise.all(keys.map((key) => store.get(key)));
    return Math.max(...sizes(etcd));
  };
  etcd.full = true;
  strictEqual(await getAll(), 20);
  strictEqual(await getAll(), 1);
  etcd.full = false;
  await clock.advance(2_000);
  strictEqual(await getAll(), 20);
});

Deno.test("EtcdStore.put() whose time is over before it can leave is not sent", async () => {
  const clock = new FakeClock();
  await using setting = start({}, clock);
  const { etcd, store } = setting;
  const release = hold(etcd);
  await takePlaces(store);
  const options = { timeoutMs: 100 };
  const late = ["a", "b"].map((key) =>
    rejects(store.put(key, bytes("x"), options), StoreUnavailableError)
  );
  await turns(1);
  clock.jump(1_000);
  release();
  await Promise.all(late);
  await store.put("c", bytes("x"));
  strictEqual(etcd.at("a", Infinity), undefined);
});

Deno.test("EtcdStore.get() of long keys teaches no limit that others suffer from", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const long = Array.from({ length: 64 }, (_, n) => `${n}`.padEnd(60_000, "x"));
  await Promise.all(long.map((key) => store.get(key)));
  etcd.requests.length = 0;
  const keys = Array.from({ length: 100 }, (_, n) => `${n}`);
  await Promise.all(keys.map((key) => store.get(key)));
  strictEqual(Math.max(...sizes(etcd)), 100);
});

Deno.test("EtcdStore.get() of a large value goes alone once it is known, and small ones share as ever", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const keys = Array.from({ length: 99 }, (_, n) => `${n}`);
  await Promise.all(keys.map((key) => store.put(key, bytes("x"))));
  await store.put("large", new Uint8Array(1_000_000));
  for (let round = 0; round < 5; round++) {
    etcd.requests.length = 0;
    await Promise.all(
      ["large", ...keys].map((key) => store.get(key)),
    );
    deepStrictEqual([...sizes(etcd)].sort(), [1, 99]);
  }
});

Deno.test("EtcdStore() refuses what exceeds its memory, clearly and at once, and goes on", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const release = hold(etcd);
  const value = new Uint8Array(1_000_000);
  const puts = Array.from(
    { length: 200 },
    (_, n) => store.put(`${n}`, value, { timeoutMs: 60_000 }),
  );
  for (const put of puts.slice(134)) {
    await rejects(put, (error: unknown) => {
      ok(error instanceof StoreUnavailableError);
      ok(error.message.endsWith("too much waits to be done already"));
      ok(error.hint);
      return true;
    });
  }
  release();
  await Promise.all(puts.slice(0, 134));
  strictEqual(typeof await store.put("more", value), "bigint");
});

Deno.test("EtcdStore.put() of small values does not wait for many large ones", async () => {
  await using setting = start({
    fate: ({ ops: [op] }) =>
      Number(op?.request_put?.value?.length) > 1_000 ? { there: 50 } : {},
  });
  const { store } = setting;
  let large = 0;
  const all = Promise.all(Array.from(
    { length: 100 },
    (_, n) =>
      store.put(`large${n}`, new Uint8Array(1_000_000))
        .then(() => large++),
  ));
  for (let n = 0; n < 10; n++) await store.put("small", bytes("x"));
  ok(large < 20, `${large} large ones were done before`);
  await all;
});

Deno.test("EtcdStore.close() ends what waits as closed", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const release = hold(etcd);
  await takePlaces(store);
  const waiting = [
    store.put("a", bytes("x")),
    store.put("b", bytes("x")),
  ];
  await turns(1);
  const ended = Promise.all(
    waiting.map((call) => rejects(call, StoreClosedError)),
  );
  const closing = store.close();
  await ended;
  await rejects(store.get("a"), StoreClosedError);
  release();
  await turns(5);
  await closing;
  strictEqual(etcd.at("a", Infinity), undefined);
});

Deno.test("EtcdStore.put() of small values is not held up by huge ones or slow requests", async () => {
  await using setting = start({
    fate: ({ ops: [op] }) =>
      (op?.request_put?.value as Uint8Array | undefined ?? []).length > 1_000
        ? { there: 2_000 }
        : {},
  });
  const { etcd, store } = setting;
  let done = false;
  const huge = Promise.all(
    Array.from(
      { length: 6 },
      (_, n) => store.put(`huge${n}`, new Uint8Array(1_000_000)),
    ),
  ).then(() => {
    done = true;
  });
  for (let n = 0; n < 10; n++) await store.get("small");
  strictEqual(done, false);
  await huge;
  strictEqual(etcd.requests.length, 16);
});

Deno.test("EtcdStore.put() of 10,000 callers at once treats all alike", async () => {
  await using setting = start();
  const { store } = setting;
  const done = new Int32Array(10_000);
  let total = 0;
  await Promise.all(
    Array.from({ length: done.length }, async (_, n) => {
      while (total < 5 * done.length) {
        await store.put(`${n}`, bytes("x"));
        done[n] = (done[n] ?? 0) + 1;
        total += 1;
      }
    }),
  );
  ok(Math.max(...done) - Math.min(...done) <= 2, `${Math.min(...done)}`);
});

Deno.test("EtcdStore.get() of large values does not make huge answers once it knows", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const keys = Array.from({ length: 200 }, (_, n) => `${n}`);
  const value = new Uint8Array(20_000);
  await Promise.all(keys.map((key) => store.put(key, value)));
  const getAll = () => Promise.all(keys.map((key) => store.get(key)));
  for (let round = 0; round < 5; round++) await getAll();
  etcd.requests.length = 0;
  const found = await getAll();
  ok(found.every((kv) => kv?.value.length === value.length));
  ok(Math.max(...sizes(etcd)) < 40, `${sizes(etcd)}`);
  ok(Math.max(...sizes(etcd)) > 10, `${sizes(etcd)}`);
});

Deno.test("EtcdStore.get() of the election waits for no other request", async () => {
  await using setting = start();
  const { etcd, store } = setting;
  const key = `${ELECTION_PREFIX}a`;
  await store.put(key, bytes("x"));
  const many = Array.from(
    { length: 1_000 },
    (_, n) => store.get(`${n}`),
  );
  const kv = await store.get(key);
  strictEqual(text(kv), "x");
  ok(etcd.requests.length < 15, `${etcd.requests.length} requests before it`);
  await Promise.all(many);
});
