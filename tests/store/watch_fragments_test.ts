/**
 * A watch whose answers etcd cuts into fragments, in the middle of revisions.
 *
 * @module
 */

import { deepStrictEqual, ok } from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import type { Op } from "../../src/store/state_store.ts";
import { startTcpProxy } from "../fakes/tcp_proxy.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import type { Message } from "../security/fakes/etcd_messages.ts";
import { startHostileEtcd } from "../security/fakes/hostile_etcd.ts";

/** So many keys change in each revision, which is then larger than a fragment. */
const KEYS = 100;
const ROUNDS = 12;
/** With the value before it, 28 kB in each event. */
const VALUE = new Uint8Array(14_000);

Deno.test("a watch delivers each event once although fragments and lost connections cut revisions apart", async () => {
  await using etcd = await startTestEtcd();
  let fragments = 0;
  let cutApart = 0;
  let before = "";
  // Counts what etcd sends.
  await using counting = await startHostileEtcd({
    behind: etcd.endpoint,
    twist(name, message) {
      const revisions = (message.events as Message[] ?? [])
        .map(({ kv }) => (kv as Message).mod_revision as string);
      if (name === "Watch/Watch" && revisions.length > 0) {
        if (message.fragment) fragments += 1;
        if (revisions[0] === before) cutApart += 1;
        before = message.fragment ? revisions.at(-1) ?? "" : "";
      }
      return [message];
    },
  });
  await using proxy = startTcpProxy(Number(new URL(counting.endpoint).port));
  await using direct = new EtcdStore({ endpoints: [etcd.endpoint] });
  await using store = new EtcdStore({ endpoints: [proxy.endpoint] });
  const wanted: string[] = [];
  const start = (await direct.list("/f/")).revision + 1n;
  for (let round = 0; round < ROUNDS; round++) {
    const ops = Array.from({ length: KEYS }, (_, n): Op => ({
      type: "put",
      key: `/f/${String(n).padStart(3, "0")}`,
      value: VALUE,
    }));
    await direct.doTransaction([], ops, []);
    wanted.push(...ops.map(({ key }) => `${start + BigInt(round)} ${key}`));
  }

  await using watch = await store.watch("/f/", { startRevision: start });
  const found: string[] = [];
  while (found.length < wanted.length) {
    const { value } = await watch.next();
    found.push(`${value?.kv.version} ${value?.kv.key}`);
    if (found.length % 170 === 0) proxy.cut();
  }

  deepStrictEqual(found, wanted);
  ok(fragments > 0 && cutApart > 0, `${fragments} fragments, ${cutApart} cut`);
});
