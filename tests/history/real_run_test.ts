import { ok } from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { bytes } from "../store/state_store_contract.ts";
import { startTcpProxy } from "../fakes/tcp_proxy.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import { assertFlawless } from "./assert_flawless.ts";
import { recordTruth } from "./ctl_recorder.ts";
import { type HistoryRecord, toHistory } from "./history.ts";
import { monotonicNs } from "./monotonic_clock.ts";
import { RecordedStore, recordWatch } from "./recorded_store.ts";
import { SMALL_RUN } from "./small_run.ts";
import { Random } from "../simulation/random.ts";

const CUTS = 15;
const KEYS = ["/r/1", "/r/2", "/r/3"];

/** One client's random operations, until it is told to stop. */
async function traffic(
  store: RecordedStore,
  { seed, stop }: { readonly seed: number; readonly stop: AbortSignal },
): Promise<void> {
  const random = new Random(seed);
  const options = { timeoutMs: 400 };
  while (!stop.aborted) {
    const key = random.pick(KEYS);
    const value = store.newValue();
    const put = { type: "put", key, value: bytes(value) } as const;
    const absent = { key, expectedVersion: 0n };
    const get = { type: "get", key: KEYS[0] ?? "" } as const;
    switch (random.below(6)) {
      case 0:
        await store.put(key, value, options);
        break;
      case 1:
        await store.delete(key, options);
        break;
      case 2:
        await store.list("/r/", options);
        break;
      case 3:
        await store.transaction([absent], [get, put], [get], options);
        break;
      default:
        await store.get(key, options);
    }
  }
}

Deno.test("checkHistory() finds nothing in a real run whose connections break again and again", async () => {
  await using etcd = await startTestEtcd();
  await using proxy = startTcpProxy(etcd.port);
  await using direct = new EtcdStore({ endpoints: [etcd.endpoint] });
  await using cut = new EtcdStore({ endpoints: [proxy.endpoint] });
  const records: HistoryRecord[] = [SMALL_RUN];
  const append = (record: HistoryRecord) => records.push(record);
  const asked_ns = monotonicNs();
  await using watch = await cut.watch("/r/");
  append({
    type: "watch",
    watcher: "w1",
    what: "opened",
    asked_ns,
    at_ns: monotonicNs(),
    key: "/r/",
    from_revision: 0,
  });
  const watching = recordWatch(watch, {
    watcher: "w1",
    append,
    until: (value) => value === "marker:v1",
  });

  const stop = new AbortController();
  const clients = [1, 2, 3, 4, 5, 6].map((seed) =>
    traffic(
      new RecordedStore(seed % 3 ? cut : direct, `c${seed}`, append),
      { seed, stop: stop.signal },
    )
  );
  for (let count = 0; count < CUTS; count++) {
    await cut.get("/r/1", { timeoutMs: 20_000 });
    proxy.pauseAnswers();
    await proxy.answerHeld();
    // Meanwhile the other clients run into it as well.
    for (let turn = 0; turn < 5; turn++) await direct.put("/kat/x", bytes(""));
    proxy.cut();
    proxy.resume();
  }
  stop.abort();
  await Promise.all(clients);
  const marker = new RecordedStore(direct, "marker", append);
  await marker.put("/r/marker", marker.newValue());
  await watching;
  records.push(...await recordTruth(etcd));

  const history = toHistory(records);
  const unknown = history.operations.filter((one) => one.outcome === "unknown");
  ok(unknown.length > 5, `${unknown.length} unknown`);
  assertFlawless(history);
});
