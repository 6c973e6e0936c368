/**
 * Answers have a bound, and yet all that was put can be read in every way.
 *
 * @module
 */

import { strictEqual } from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import type { KV, Op } from "../../src/store/state_store.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";

/** Together 56 MB, and the largest that etcd takes nearly. */
const COUNT = 40;
const VALUE = new Uint8Array(1_400_000);
const KEYS = Array.from({ length: COUNT }, (_, n) => `/large/${n + 10}`);
const PATIENT = { timeoutMs: 30_000 };

Deno.test("EtcdStore: many values of the largest size are got at once, in a transaction and in a list", async () => {
  await using etcd = await startTestEtcd();
  await using writer = new EtcdStore({ endpoints: [etcd.endpoint] });
  for (const key of KEYS) await writer.put(key, VALUE, PATIENT);
  // Knows nothing of their sizes.
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });

  const got = await Promise.all(KEYS.map((key) => store.get(key, PATIENT)));
  for (const kv of got) strictEqual(kv?.value.length, VALUE.length);

  const found: (KV | undefined)[] = [];
  const gets = KEYS.map((key): Op => ({ type: "get", key }));
  await store.doTransaction([], gets, [], { ...PATIENT, results: found });
  strictEqual(found.length, COUNT);
  for (const kv of found) strictEqual(kv?.value.length, VALUE.length);

  const listed = await store.list("/large/", PATIENT);
  strictEqual(listed.length, COUNT);
  strictEqual(listed.at(-1)?.key, KEYS.at(-1));

  await using watch = await store.watch("/large/", { startRevision: 1n });
  for (const key of KEYS) strictEqual((await watch.next()).value?.kv.key, key);
});
