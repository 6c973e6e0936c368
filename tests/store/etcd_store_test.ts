import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import {
  OutcomeUnknownError,
  StoreClosedError,
  StoreError,
  StoreUnavailableError,
} from "../../src/store/state_store.ts";
import { eventually } from "../machine/eventually.ts";
import { argumentsContract } from "./arguments_contract.ts";
import { runContract } from "./run_contract.ts";
import {
  bytes,
  electionContract,
  storeContract,
} from "./state_store_contract.ts";
import { startTcpProxy } from "../fakes/tcp_proxy.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";

runContract("EtcdStore", [
  ...storeContract,
  ...electionContract,
  ...argumentsContract,
], async () => {
  const etcd = await startTestEtcd();
  return {
    open: () => new EtcdStore({ endpoints: [etcd.endpoint] }),
    compact: async (revision: bigint) => {
      await etcd.ctl("compaction", revision.toString());
    },
    [Symbol.asyncDispose]: () => etcd[Symbol.asyncDispose](),
  };
});

/** Writes `/n/<n>` for each number from `from` to `to`, one after the other. */
async function writeNumbers(
  store: EtcdStore,
  from: number,
  to: number,
): Promise<void> {
  for (let n = from; n < to; n++) {
    await store.put(`/n/${String(n).padStart(6, "0")}`, bytes(`${n}`));
  }
}

/** What each number's event looks like, in order. */
function numbers(count: number): string[] {
  return Array.from(
    { length: count },
    (_, n) => `/n/${String(n).padStart(6, "0")}`,
  );
}

Deno.test("EtcdStore.watch() has no gap and no duplicate across kill -9 of etcd", async () => {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  await using watch = await store.watch("/n/");
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { kv } of watch) {
      seen.push(kv.key);
      if (seen.length === 900) break;
    }
  })();

  await writeNumbers(store, 0, 300);
  await etcd.kill();
  await etcd.restart();
  await writeNumbers(store, 300, 600);
  await etcd.kill();
  await etcd.restart();
  await writeNumbers(store, 600, 900);
  await reading;

  deepStrictEqual(seen, numbers(900));
});

Deno.test("EtcdStore.watch() has no gap and no duplicate when cut while it catches up", async () => {
  await using etcd = await startTestEtcd();
  await using direct = new EtcdStore({ endpoints: [etcd.endpoint] });
  await writeNumbers(direct, 0, 1);
  const { revision } = await direct.list("/n/");
  // etcd sends a backlog in parts of about 1,000 revisions.
  for (let from = 1; from < 6_000; from += 100) {
    await Promise.all(
      Array.from(
        { length: 100 },
        (_, n) => direct.put(`/n/backlog`, bytes(`${from + n}`)),
      ),
    );
  }
  await using proxy = startTcpProxy(etcd.port);
  await using store = new EtcdStore({ endpoints: [proxy.endpoint] });
  await using watch = await store.watch("/n/", {
    startRevision: revision + 1n,
  });

  const versions: bigint[] = [];
  for await (const { kv } of watch) {
    versions.push(kv.version);
    if (versions.length % 700 === 0) proxy.cut();
    if (versions.length === 6_000) break;
  }

  deepStrictEqual(
    versions,
    Array.from({ length: 6_000 }, (_, n) => revision + 1n + BigInt(n)),
  );
});

Deno.test("EtcdStore.watch() that is not read delays no other watch and loses nothing", async () => {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  await using unread = await store.watch("/n/");
  await using read = await store.watch("/read");
  // More than the connection, the stream and what waits can hold.
  const value = new Uint8Array(50_000);
  const wanted = numbers(200);
  for (const key of wanted) await store.put(key, value);
  await store.put("/read", bytes("1"));

  strictEqual((await read.next()).value?.kv.key, "/read");
  const seen: string[] = [];
  for await (const { kv } of unread) {
    seen.push(kv.key);
    if (seen.length === wanted.length) break;
  }
  deepStrictEqual(seen, wanted);
});

Deno.test("EtcdStore.put() whose answer is lost rejects as unknown and is not sent again", async () => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  await using direct = new EtcdStore({ endpoints: [etcd.endpoint] });
  await using store = new EtcdStore({ endpoints: [proxy.endpoint] });
  await store.get("/warm");
  await using watch = await direct.watch("/a");

  proxy.pauseAnswers();
  const put = store.put("/a", bytes("once"));
  strictEqual((await watch.next()).value?.kv.key, "/a");
  proxy.cut();
  proxy.resume();

  await rejects(put, OutcomeUnknownError);
  const after = await direct.put("/b", bytes("after"));
  const first = await direct.get("/a");
  strictEqual(first?.version, after - 1n, "the put was applied more than once");
});

Deno.test("EtcdStore.put() is certainly not done when no member can be reached", async () => {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  await store.put("/a", bytes("before"));
  await etcd.kill();
  // A write to a connection whose end is not noticed yet must be unknown.
  await rejects(store.get("/a", { timeoutMs: 500 }), StoreUnavailableError);

  await rejects(
    store.put("/a", bytes("after"), { timeoutMs: 1_000 }),
    (error: unknown) =>
      error instanceof StoreUnavailableError && error.outcome === "not-done",
  );

  await etcd.restart();
  const kv = await store.get("/a");
  strictEqual(new TextDecoder().decode(kv?.value), "before");
});

Deno.test("EtcdStore.put() over the quota never reports a write that was done as not done", async () => {
  await using etcd = await startTestEtcd(["--quota-backend-bytes=20000000"]);
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  const value = new Uint8Array(60_000);
  const refused = new Set<string>();
  let next = 0;
  async function writer(): Promise<void> {
    for (let misses = 0; misses < 3;) {
      const key = `/q/${next++}`;
      try {
        await store.put(key, value, { timeoutMs: 30_000 });
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        misses += 1;
        match(error.hint ?? "", /quota/);
        if (error.outcome === "not-done") refused.add(key);
      }
    }
  }
  await Promise.all(Array.from({ length: 32 }, writer));

  const stored = (await store.list("/q/", { timeoutMs: 30_000 }))
    .map(({ key }) => key);
  ok(next > stored.length, "the quota was never met");
  deepStrictEqual(stored.filter((key) => refused.has(key)), []);
});

Deno.test("EtcdStore.list() goes on when large values come after many small ones", async () => {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  for (let from = 0; from < 2_000; from += 100) {
    await store.doTransaction(
      [],
      Array.from({ length: 100 }, (_, n) => ({
        type: "put",
        key: `/l/a${String(from + n).padStart(5, "0")}`,
        value: bytes("x"),
      })),
      [],
    );
  }
  const large = new Uint8Array(1024 * 1024);
  for (let n = 0; n < 200; n++) {
    await store.put(`/l/b${n}`, large, { timeoutMs: 20_000 });
  }
  const kvs = await store.list("/l/");
  strictEqual(kvs.length, 2_200);
});

Deno.test("EtcdStore.close() ends the calls that are under way", async () => {
  await using etcd = await startTestEtcd();
  const store = new EtcdStore({ endpoints: [etcd.endpoint] });
  await store.get("/warm");
  etcd.signal("SIGSTOP");
  const get = store.get("/a", { timeoutMs: 600_000 });
  const put = store.put("/a", bytes("1"), { timeoutMs: 600_000 });
  const ended = Promise.allSettled([get, put]);
  await store.close();
  const [read, written] = await ended;
  ok(read.status === "rejected" && read.reason instanceof StoreClosedError);
  ok(
    written.status === "rejected" &&
      written.reason instanceof OutcomeUnknownError,
  );
  etcd.signal("SIGCONT");
});

Deno.test("EtcdStore.get() goes on with another member when one does not answer", async () => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  await using store = new EtcdStore({
    endpoints: [proxy.endpoint, etcd.endpoint],
  });
  await store.put("/a", bytes("1"));
  proxy.pause();
  const kv = await store.get("/a", { timeoutMs: 20_000 });
  strictEqual(new TextDecoder().decode(kv?.value), "1");
});

Deno.test("EtcdStore.get() ends by its deadline when etcd is frozen", async () => {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  await store.put("/a", bytes("1"));
  etcd.signal("SIGSTOP");
  await rejects(store.get("/a", { timeoutMs: 500 }), StoreUnavailableError);
  etcd.signal("SIGCONT");
  await eventually(async () => strictEqual((await store.get("/a"))?.key, "/a"));
});

Deno.test("EtcdStore.close() with a watch and a term open lets the process end", async () => {
  await using etcd = await startTestEtcd();
  const script = `
    import { EtcdStore } from ${
    JSON.stringify(
      new URL("../../src/store/etcd/etcd_store.ts", import.meta.url).href,
    )
  };
    const store = new EtcdStore({ endpoints: [${
    JSON.stringify(etcd.endpoint)
  }] });
    await store.watch("/n/");
    await store.campaign("script", 60);
    await store.close();
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", script],
    cwd: new URL("../..", import.meta.url),
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  strictEqual((await child.status).code, 0);
  strictEqual(await etcd.ctl("get", "--prefix", "/kat/"), "");
});
