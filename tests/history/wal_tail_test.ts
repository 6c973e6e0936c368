import { deepStrictEqual, ok } from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import { checkHistory } from "./check_history.ts";
import { recordTruth } from "./ctl_recorder.ts";
import { type HistoryRecord, toHistory } from "./history.ts";
import { monotonicNs } from "./monotonic_clock.ts";
import { RecordedStore } from "./recorded_store.ts";
import { SMALL_RUN } from "./small_run.ts";
import { loseWalTail } from "./wal_tail.ts";

/** Writes, loses power (or only the process), comes back; returns which invariants were violated. */
async function powerCut(
  flags: readonly string[],
  lose: (dataDir: string) => Promise<void>,
): Promise<string[]> {
  await using dir = await tempDir();
  const dataDir = `${dir.path}/data`;
  await using etcd = await startTestEtcd([`--data-dir=${dataDir}`, ...flags]);
  const records: HistoryRecord[] = [SMALL_RUN];
  const append = (record: HistoryRecord) => records.push(record);
  const revision = async () => {
    await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
    return Number((await store.list("/a")).revision);
  };
  {
    await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
    const writer = new RecordedStore(store, "c1", append);
    for (let count = 0; count < 40; count++) {
      await writer.put(`/a/${count % 4}`, writer.newValue());
    }
  }
  const seen = await revision();
  await etcd.kill();
  await lose(dataDir);
  await etcd.restart();
  append({
    type: "observation",
    what: "high_water",
    at_ns: monotonicNs(),
    node: "n1",
    seen,
    found: await revision(),
    alarmed: false,
  });
  records.push(...await recordTruth(etcd));
  const lines = checkHistory(toHistory(records));
  const [writes] = lines;
  ok((writes?.verdict.checked ?? 0) === 40);
  return lines.filter(({ verdict }) => verdict.violations.length > 0)
    .map(({ invariant }) => invariant);
}

Deno.test("I1 and I16 see planted bug m10: an etcd without fsync that loses the tail of its log", async () => {
  const found = await powerCut(
    ["--unsafe-no-fsync"],
    (dataDir) => loseWalTail(dataDir, { records: 20 }),
  );
  ok(found.includes("I1") && found.includes("I16"), `${found}`);
});

Deno.test("the checkers find nothing after kill -9 of an etcd with fsync", async () => {
  deepStrictEqual(await powerCut([], () => Promise.resolve()), []);
});
