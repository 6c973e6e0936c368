import { ok, strictEqual } from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { LeadershipLostError } from "../../src/store/state_store.ts";
import { eventually } from "../machine/eventually.ts";
import { logLines } from "../machine/log_lines.ts";
import { bytes } from "./state_store_contract.ts";
import { startTcpProxy } from "../fakes/tcp_proxy.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";

const PREFIX = "/kat/leader_election";

/** Resolves with the moment at which a signal aborted. */
function abortedAt(signal: AbortSignal): Promise<number> {
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(performance.now()), {
      once: true,
    })
  );
}

Deno.test("Leadership of a store that is cut off ends before another candidate is elected, and its write is refused", async () => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  await using cutOff = new EtcdStore({ endpoints: [proxy.endpoint] });
  await using other = new EtcdStore({ endpoints: [etcd.endpoint] });
  const term = await cutOff.campaign("first", 3);
  const lost = abortedAt(term.signal);
  const elected = other.campaign("second", 3)
    .then((next) => ({ next, atMs: performance.now() }));

  proxy.pause();
  const lostMs = await lost;
  const { next, atMs } = await elected;
  proxy.resume();

  ok(lostMs < atMs, `lost at ${lostMs}, elected at ${atMs}`);
  ok(term.signal.reason instanceof LeadershipLostError);
  ok(next.fence > term.fence);
  // A write of a leader that does not know it is deposed, once its connection works again.
  strictEqual(
    await cutOff.doTransaction([term.guard], [
      { type: "put", key: "/a", value: bytes("stale") },
    ], []),
    false,
  );
  strictEqual(
    await next.doTransaction([], [
      { type: "put", key: "/a", value: bytes("fresh") },
    ]),
    true,
  );
  strictEqual(await etcd.ctl("get", "--print-value-only", "/a"), "fresh");
});

Deno.test("Leadership lasts while its lease is renewed, across a cut connection", async () => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  await using store = new EtcdStore({ endpoints: [proxy.endpoint] });
  await using watcher = new EtcdStore({ endpoints: [etcd.endpoint] });
  const term = await store.campaign("first", 2);
  const leases = async () => {
    const text = await etcd.ctl("lease", "timetolive", leaseOf(term.guard.key));
    return Number(/remaining\((\d+)s\)/.exec(text)?.[1]);
  };
  // Three times the lease by the server's clock: another key's lease measures it.
  const timer = (await etcd.ctl("lease", "grant", "6")).split(" ")[1] ?? "";
  await etcd.ctl("put", `--lease=${timer}`, "/timer", "runs");
  await using watch = await watcher.watch("/timer");

  proxy.cut();
  strictEqual((await watch.next()).value?.type, "delete");

  strictEqual(term.signal.aborted, false);
  ok(await leases() > 0);
  await term.resign();
});

Deno.test("a term survives a cut connection although the other endpoint is dead", async () => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  // Takes connections and never answers, as a frozen machine does.
  await using dead = startTcpProxy(etcd.port);
  dead.pause();
  await using store = new EtcdStore({
    endpoints: [proxy.endpoint, dead.endpoint],
  });
  await using witness = new EtcdStore({ endpoints: [etcd.endpoint] });
  const term = await store.campaign("first", 9);
  const timer = (await etcd.ctl("lease", "grant", "12")).split(" ")[1] ?? "";
  await etcd.ctl("put", `--lease=${timer}`, "/timer", "runs");
  await using watch = await witness.watch("/timer");

  proxy.cut();
  strictEqual((await watch.next()).value?.type, "delete");

  strictEqual(term.signal.aborted, false);
});

Deno.test("a store leads again after its etcd was made anew, whose terms count from the start", async () => {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  for (let round = 0; round < 3; round++) {
    await etcd.kill();
    await etcd.restart();
  }
  const before = await store.campaign("first", 2);
  await etcd.kill();
  await etcd.restart({ wiped: true });
  await store.resign();
  const term = await store.campaign("first", 2);
  // Longer than the lease, by the server's clock.
  const timer = (await etcd.ctl("lease", "grant", "5")).split(" ")[1] ?? "";
  await etcd.ctl("put", `--lease=${timer}`, "/timer", "runs");
  await using watch = await store.watch("/timer");
  strictEqual((await watch.next()).value?.type, "delete");

  ok(before.signal.aborted);
  strictEqual(term.signal.aborted, false);
});

Deno.test("a term survives a restart of etcd that is shorter than the lease", async () => {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  const term = await store.campaign("first", 10);
  await etcd.kill();
  await etcd.restart();
  strictEqual(
    await term.doTransaction([], [
      { type: "put", key: "/a", value: bytes("still") },
    ], { timeoutMs: 20_000 }),
    true,
  );
  strictEqual(term.signal.aborted, false);
});

Deno.test("etcdctl elect waits for a candidate of the store and leads after it", async () => {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  const term = await store.campaign("ours", 5);
  await using queue = await store.watch(`${PREFIX}/`);
  const elect = etcd.startCtl("elect", PREFIX, "theirs");
  const printed = readLines(elect);
  const { value: entered } = await queue.next();
  strictEqual(new TextDecoder().decode(entered?.kv.value), "theirs");
  strictEqual(await store.getLeader(), "ours");

  await term.resign();

  ok((await printed.first).startsWith(`${PREFIX}/`));
  strictEqual(await store.getLeader(), "theirs");
  elect.kill("SIGTERM");
  await elect.status;
  await printed.done;
});

Deno.test("a candidate of the store waits for etcdctl elect and leads after it", async () => {
  await using etcd = await startTestEtcd();
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  const elect = etcd.startCtl("elect", PREFIX, "theirs");
  const printed = readLines(elect);
  const key = await printed.first;
  await using queue = await store.watch(`${PREFIX}/`);
  let elected = false;
  const waiting = store.campaign("ours", 5).finally(() => {
    elected = true;
  });
  waiting.catch(() => {}); // If the test fails before it is awaited.
  const { value: entered } = await queue.next();
  strictEqual(new TextDecoder().decode(entered?.kv.value), "ours");
  strictEqual(elected, false);
  strictEqual(await store.getLeader(), "theirs");

  // SIGTERM lets it resign, as Ctrl-C does.
  elect.kill("SIGTERM");
  await elect.status;
  await printed.done;
  const term = await waiting;

  ok(key.startsWith(`${PREFIX}/`));
  strictEqual(await store.getLeader(), "ours");
  await term.resign();
});

/** The lease that an election key is named after. */
function leaseOf(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

/** The first line that a child prints; the rest is read too, so that the child meets no closed pipe. */
function readLines(child: Deno.ChildProcess) {
  const first = Promise.withResolvers<string>();
  const done = (async () => {
    let text = "";
    for await (
      const chunk of child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      text += chunk;
      if (text.includes("\n")) first.resolve(text.split("\n")[0] ?? "");
    }
    first.resolve(text);
  })();
  return { first: first.promise, done };
}

Deno.test("campaign() logs once which key without a lease blocks the election, and leads when it is deleted", async () => {
  await using etcd = await startTestEtcd();
  await using log = await logLines();
  const warnings = () => log.lines.filter(({ advice }) => advice !== undefined);
  await using first = new EtcdStore({ endpoints: [etcd.endpoint] });
  await using second = new EtcdStore({ endpoints: [etcd.endpoint] });
  const term = await first.campaign("first", 2);
  const { key } = term.guard;
  const elected = second.campaign("second", 2);
  await eventually(async () => {
    const keys = await etcd.ctl("get", "--prefix", "--keys-only", PREFIX);
    strictEqual(keys.split("\n").filter((one) => one !== "").length, 2);
  });

  const lost = abortedAt(term.signal);
  await etcd.ctl("put", key, "by hand");
  await lost;
  await first.resign();
  await eventually(() => strictEqual(warnings().length, 1));
  strictEqual(warnings()[0]?.key, key);
  strictEqual(warnings()[0]?.advice, `etcdctl del '${key}'`);
  await etcd.ctl("del", key);
  await using next = await elected;

  ok(next.fence > term.fence);
  strictEqual(warnings().length, 1);
});
