/**
 * Small runs of callers whose operations share requests, for the bugs that only
 * show there.
 *
 * @module
 */

import { startTcpProxy } from "../fakes/tcp_proxy.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import { storesOf, withTruth } from "./bug_scenarios.ts";
import type { HistoryRecord } from "./history.ts";
import { RecordedStore } from "./recorded_store.ts";
import type { Scenario } from "./small_run.ts";

const KEYS = Array.from({ length: 20 }, (_, n) => `/s/${n}`);

/** The answer to puts that share a request is lost with its connection. */
export const sharedAnswerIsLost: Scenario = async (source) => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  const open = await storesOf(source);
  await using store = open(proxy.endpoint);
  await using witness = open(etcd.endpoint);
  const records: HistoryRecord[] = [];
  const clients = clientsOf(store, records);
  await clients[0]?.get("/s/0");
  await using watch = await witness.watch("/s/");

  proxy.pauseAnswers();
  const puts = clients.map((client, n) =>
    client.put(KEYS[n] ?? "", client.newValue(), { timeoutMs: 5_000 })
  );
  await watch.next();
  proxy.cut();
  proxy.resume();
  await Promise.all(puts);
  return await withTruth(records, etcd);
};

/** Each of many callers reads its own key in a request that they share. */
export const manyReadAtOnce: Scenario = async (source) => {
  await using etcd = await startTestEtcd();
  const open = await storesOf(source);
  await using store = open(etcd.endpoint);
  const records: HistoryRecord[] = [];
  const clients = clientsOf(store, records);
  for (const [n, client] of clients.entries()) {
    await client.put(KEYS[n] ?? "", client.newValue());
  }
  await Promise.all(clients.map((client, n) => client.get(KEYS[n] ?? "")));
  return await withTruth(records, etcd);
};

function clientsOf(
  store: ConstructorParameters<typeof RecordedStore>[0],
  records: HistoryRecord[],
): readonly RecordedStore[] {
  const append = (record: HistoryRecord) => records.push(record);
  return KEYS.map((_, n) => new RecordedStore(store, `c${n}`, append));
}
