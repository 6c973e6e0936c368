/**
 * A store is bound to one etcd cluster: an answer of another is never taken.
 *
 * @module
 */

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { ClusterBinding } from "../../src/etcd/client/cluster_binding.ts";
import { readMemberStatus } from "../../src/etcd/client/member_status.ts";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { AnotherClusterError } from "../../src/store/state_store.ts";
import { startTcpProxy } from "../fakes/tcp_proxy.ts";
import { startTestEtcd, type TestEtcd } from "../machine/test_etcd.ts";
import { startHostileEtcd } from "../security/fakes/hostile_etcd.ts";
import { startSwitchingProxy } from "../security/fakes/switching_proxy.ts";

const ONE = new Uint8Array([1]);

async function clusterIdOf({ endpoint }: TestEtcd): Promise<string> {
  return (await readMemberStatus(endpoint)).clusterId;
}

async function keysOf(etcd: TestEtcd): Promise<string> {
  return await etcd.ctl("get", "--prefix", "", "--keys-only");
}

Deno.test("EtcdStore: every call ends with an error that names both clusters when another answers", async () => {
  await using own = await startTestEtcd();
  await using other = await startTestEtcd();
  await using proxy = await startSwitchingProxy({ port: own.port });
  await using store = new EtcdStore({ endpoints: [proxy.endpoint] });
  await store.put("/a", ONE);
  const term = await store.campaign("n1", 5);
  const watch = await store.watch("/a");
  const event = watch.next();
  const lost = Promise.withResolvers<unknown>();
  const { signal } = term;
  signal.addEventListener("abort", () => lost.resolve(signal.reason));
  const names = {
    name: "AnotherClusterError",
    expected: await clusterIdOf(own),
    found: await clusterIdOf(other),
    outcome: "not-done",
  };
  const isOther = (error: unknown) => {
    ok(error instanceof AnotherClusterError, String(error));
    const { name, expected, found, outcome } = error;
    deepStrictEqual({ name, expected, found, outcome }, names);
    ok(error.message.includes(expected) && error.message.includes(found));
    return true;
  };
  proxy.leadTo({ port: other.port });

  await rejects(event, isOther);
  await rejects(store.get("/a"), isOther);
  await rejects(store.put("/a", ONE), isOther);
  await rejects(store.delete("/a"), isOther);
  await rejects(store.list("/"), isOther);
  await rejects(store.watch("/"), isOther);
  await rejects(store.getLeader(), isOther);
  await rejects(
    store.doTransaction([], [{ type: "put", key: "/a", value: ONE }], []),
    isOther,
  );
  const shared = Array.from(
    { length: 20 },
    (_, n) => [store.put(`/s${n}`, ONE), store.get(`/s${n}`)],
  ).flat();
  for (const call of shared) await rejects(call, isOther);
  ok(String(await lost.promise).includes(names.found));
  strictEqual(await keysOf(other), "");

  proxy.leadTo({ port: own.port });
  strictEqual((await store.get("/a"))?.value[0], 1);
});

Deno.test("EtcdStore: a campaign ends when another cluster answers, and holds no term there", async () => {
  await using own = await startTestEtcd();
  await using other = await startTestEtcd();
  await using proxy = await startSwitchingProxy({ port: own.port });
  await using rival = new EtcdStore({ endpoints: [own.endpoint] });
  await using store = new EtcdStore({ endpoints: [proxy.endpoint] });
  await rival.campaign("n2", 5);
  const queued = Promise.withResolvers<string>();
  const campaign = store.campaign("n1", 5, { onCandidacy: queued.resolve });
  campaign.catch(() => {});
  const key = await queued.promise;
  const watch = await rival.watch(key, { startRevision: 1n });
  await watch.next();

  proxy.leadTo({ port: other.port });

  await rejects(campaign, AnotherClusterError);
  strictEqual(await keysOf(other), "");
});

Deno.test("EtcdStore: of members of two clusters only those of the first that answered count", async () => {
  await using own = await startTestEtcd();
  await using other = await startTestEtcd();
  await using proxy = startTcpProxy(own.port);
  await using store = new EtcdStore({
    endpoints: [proxy.endpoint, other.endpoint],
  });
  await store.put("/a", ONE);
  // As a machine that is frozen.
  proxy.pause();
  proxy.cut();

  await rejects(store.get("/a"), AnotherClusterError);
  await rejects(store.put("/a", ONE), AnotherClusterError);
  strictEqual(await keysOf(other), "");

  await using known = new EtcdStore({
    endpoints: [other.endpoint, own.endpoint],
    cluster: new ClusterBinding(await clusterIdOf(own)),
  });
  strictEqual((await known.get("/a"))?.value[0], 1);
});

Deno.test("EtcdStore: an answer of another cluster in the middle of a connection is not taken", async () => {
  await using etcd = await startTestEtcd();
  let lies = false;
  const forge = (message: Record<string, unknown>) =>
    lies
      ? { ...message, header: { ...message.header as object, cluster_id: "7" } }
      : message;
  await using hostile = await startHostileEtcd({
    behind: etcd.endpoint,
    async lie({ name, real }) {
      const isCall = name.startsWith("KV/");
      return isCall ? { messages: [forge(await real())] } : undefined;
    },
    twist: (_, message) => [forge(message)],
  });
  await using store = new EtcdStore({ endpoints: [hostile.endpoint] });
  await store.put("/a", ONE);
  const watch = await store.watch("/a");
  lies = true;

  await rejects(store.get("/a"), AnotherClusterError);
  await rejects(store.put("/a", ONE), { outcome: "unknown", found: "7" });
  await rejects(
    store.doTransaction([], [{ type: "get", key: "/a" }], []),
    AnotherClusterError,
  );
  await rejects(store.list("/"), AnotherClusterError);
  lies = false;
  watch.close();
  const next = await store.watch("/a");
  lies = true;
  await etcd.ctl("put", "/a", "2");
  await rejects(next.next(), AnotherClusterError);
});

Deno.test("EtcdStore: a node's own member is not asked while another program holds its port, and its peers do not say which cluster it is", async () => {
  await using own = await startTestEtcd();
  await using other = await startTestEtcd();
  let holds = false;
  await using store = new EtcdStore({
    endpoints: [own.endpoint, other.endpoint],
    own: { portHolder: () => Promise.resolve(holds ? 1 : undefined) },
  });

  await rejects(store.put("/a", ONE, { timeoutMs: 500 }), {
    name: "StoreUnavailableError",
  });
  strictEqual(await keysOf(own) + await keysOf(other), "");
  holds = true;
  await store.put("/a", ONE);
  strictEqual(await keysOf(other), "");
});

Deno.test("EtcdStore: nothing is sent on a connection that was begun while another etcd held the own port", async () => {
  await using own = await startTestEtcd();
  let holder = 0;
  let isStable = false;
  await using store = new EtcdStore({
    endpoints: [own.endpoint],
    own: { portHolder: () => Promise.resolve(isStable ? holder : ++holder) },
  });

  await rejects(store.put("/a", ONE, { timeoutMs: 1_000 }), {
    name: "StoreUnavailableError",
  });
  strictEqual(await keysOf(own), "");
  isStable = true;
  await store.put("/a", ONE);
});
