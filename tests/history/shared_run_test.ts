import { ok } from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { startTcpProxy } from "../fakes/tcp_proxy.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import { assertFlawless } from "./assert_flawless.ts";
import { recordTruth } from "./ctl_recorder.ts";
import { type HistoryRecord, toHistory } from "./history.ts";
import { RecordedStore } from "./recorded_store.ts";
import { Random } from "../simulation/random.ts";
import { SMALL_RUN } from "./small_run.ts";

const CLIENTS = 60;
const OPERATIONS = 40;
const CUTS = 6;
const KEYS = Array.from({ length: 24 }, (_, n) => `/s/${n}`);

Deno.test("checkHistory() finds nothing in a real run of many callers of one store, whose connections break", async () => {
  await using etcd = await startTestEtcd(["--max-txn-ops=20"]);
  await using proxy = startTcpProxy(etcd.port);
  await using store = new EtcdStore({ endpoints: [proxy.endpoint] });
  const records: HistoryRecord[] = [SMALL_RUN];
  const append = (record: HistoryRecord) => records.push(record);
  await store.get("/warm");
  let running = CLIENTS;

  async function client(seed: number): Promise<void> {
    const random = new Random(seed);
    const own = new RecordedStore(store, `c${seed}`, append);
    for (let count = 0; count < OPERATIONS; count++) {
      const key = random.pick(KEYS);
      const options = { timeoutMs: 2_000 };
      const dice = random.next();
      if (dice < 0.45) await own.put(key, own.newValue(), options);
      else if (dice < 0.6) await own.delete(key, options);
      else await own.get(key, options);
    }
    running -= 1;
  }

  const clients = Array.from({ length: CLIENTS }, (_, n) => client(n + 1));
  for (let count = 0; count < CUTS && running > 0; count++) {
    await store.get("/warm", { timeoutMs: 20_000 });
    proxy.pauseAnswers();
    await proxy.answerHeld();
    proxy.cut();
    proxy.resume();
  }
  await Promise.all(clients);
  records.push(...await recordTruth(etcd));

  const history = toHistory(records);
  const versions = history.operations.flatMap((one) =>
    one.f === "put" && one.result ? [one.result.version] : []
  );
  const shared = versions.length - new Set(versions).size;
  ok(shared > 30, `${shared} of ${versions.length} puts shared a revision`);
  const unknown = history.operations.filter((one) => one.outcome === "unknown");
  ok(unknown.length > 5, `${unknown.length} unknown`);
  assertFlawless(history);
});
