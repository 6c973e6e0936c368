import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import {
  type StateStore,
  StoreError,
  StoreRequestError,
} from "../../src/store/state_store.ts";
import { runContract } from "./run_contract.ts";
import {
  bytes,
  electionContract,
  storeContract,
} from "./state_store_contract.ts";
import { startTcpProxy } from "../fakes/tcp_proxy.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";

/** A store with other callers all the time, so that every call shares a request. */
function openInCompany(endpoint: string): StateStore {
  const store = new EtcdStore({ endpoints: [endpoint] });
  let closed = false;
  const noise = Array.from({ length: 12 }, async (_, n) => {
    // Writes of nothing: they share requests and move no revision.
    while (!closed) {
      await (n % 2 ? store.get(`/noise/${n}`) : store.delete(`/noise/${n}`))
        .catch(() => {});
    }
  });
  const close = store.close.bind(store);
  store.close = async () => {
    closed = true;
    await close();
    await Promise.all(noise);
  };
  return store;
}

runContract(
  "EtcdStore in company",
  [...storeContract, ...electionContract],
  async () => {
    const etcd = await startTestEtcd();
    return {
      open: () => openInCompany(etcd.endpoint),
      compact: async (revision: bigint) => {
        await etcd.ctl("compaction", revision.toString());
      },
      [Symbol.asyncDispose]: () => etcd[Symbol.asyncDispose](),
    };
  },
);

Deno.test("EtcdStore() learns etcd's own limits without a failed call", async () => {
  await using etcd = await startTestEtcd([
    "--max-txn-ops=7",
    "--max-request-bytes=3000",
  ]);
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  const value = new Uint8Array(300).fill(97);
  const numbers = Array.from({ length: 200 }, (_, n) => n);
  for (let round = 0; round < 5; round++) {
    await Promise.all(numbers.map((n) => store.put(`/${n}`, value)));
    const found = await Promise.all(numbers.map((n) => store.get(`/${n}`)));
    deepStrictEqual(found.map((kv) => kv?.key), numbers.map((n) => `/${n}`));
    await Promise.all(numbers.map((n) => store.delete(`/${n}`)));
  }
  strictEqual((await store.list("/")).length, 0);
});

Deno.test("EtcdStore.put() that etcd refuses fails alone", async () => {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  const outcomes = await Promise.allSettled(
    Array.from(
      { length: 100 },
      (_, n) =>
        n === 50
          ? store.put("", bytes("x"))
          : n === 70
          ? store.put("/large", new Uint8Array(4_000_000))
          : store.put(`/${n}`, bytes("x")),
    ),
  );
  const failed = outcomes.flatMap((one, n) =>
    one.status === "rejected" ? [[n, one.reason]] : []
  );
  deepStrictEqual(failed.map(([n]) => n), [50, 70]);
  for (const [, reason] of failed) ok(reason instanceof StoreRequestError);
  strictEqual((await store.list("/")).length, 98);
});

Deno.test("EtcdStore.get() and delete() of many go through when the database is full", async () => {
  await using etcd = await startTestEtcd(["--quota-backend-bytes=20000000"]);
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  const keys = Array.from({ length: 100 }, (_, n) => `/k/${n}`);
  await Promise.all(keys.map((key) => store.put(key, bytes("x"))));
  const value = new Uint8Array(500_000);
  await rejects(async () => {
    for (let n = 0; n < 200; n++) await store.put(`/fill/${n}`, value);
  }, StoreError);

  const found = await Promise.all(keys.map((key) => store.get(key)));
  strictEqual(found.filter((kv) => kv !== undefined).length, 100);
  await Promise.all(keys.map((key) => store.delete(key)));
  strictEqual((await store.list("/k/")).length, 0);
});

Deno.test("EtcdStore.delete() of many succeeds when another client has filled the database", async () => {
  await using etcd = await startTestEtcd(["--quota-backend-bytes=20000000"]);
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  const keys = Array.from({ length: 100 }, (_, n) => `/k/${n}`);
  await Promise.all(keys.map((key) => store.put(key, bytes("x"))));
  await using other = new EtcdStore({ endpoints: [etcd.endpoint] });
  const value = new Uint8Array(500_000);
  await rejects(async () => {
    for (let n = 0; n < 200; n++) await other.put(`/fill/${n}`, value);
  }, StoreError);

  await Promise.all(keys.map((key) => store.delete(key)));
  strictEqual((await store.list("/k/")).length, 0);
});

Deno.test("EtcdStore() goes on while requests wait on a silent connection", async () => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  await using store = new EtcdStore({
    endpoints: [proxy.endpoint, etcd.endpoint],
  });
  await store.put("/a", bytes("x"));
  proxy.pause();
  // Their request is never answered, and their deadline is far.
  const stuck = Promise.allSettled(
    Array.from(
      { length: 40 },
      (_, n) => store.put(`/stuck/${n}`, bytes("x"), { timeoutMs: 30_000 }),
    ),
  );
  const found = await Promise.all(
    Array.from({ length: 40 }, () => store.get("/a", { timeoutMs: 20_000 })),
  );
  strictEqual(found.filter((kv) => kv !== undefined).length, 40);
  // The gets have moved to the other member: later writes go there, too.
  await Promise.all(
    Array.from(
      { length: 40 },
      (_, n) => store.put(`/free/${n}`, bytes("x"), { timeoutMs: 20_000 }),
    ),
  );
  proxy.cut();
  proxy.resume();
  for (const { status } of await stuck) strictEqual(status, "rejected");
});
