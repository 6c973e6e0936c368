import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";
import { StoreError } from "../../src/store/state_store.ts";
import { startTestEtcd, type TestEtcd } from "../machine/test_etcd.ts";
import { makeRoom } from "./make_room.ts";

const MIB = 2 ** 20;
const QUOTA = 16 * MIB;
const VALUE = new Uint8Array(MIB).fill(65);

/** Fills the database until etcd refuses, and deletes what was written; returns the revision before the deletions. */
async function fillAndDelete(etcd: TestEtcd): Promise<number> {
  await using store = new EtcdStore({ endpoints: [etcd.endpoint] });
  const written: string[] = [];
  try {
    while (written.length < 40) {
      written.push(`/fill/${written.length}`);
      await store.put(written.at(-1) ?? "", VALUE);
    }
  } catch (error) {
    ok(error instanceof StoreError);
    match(error.message, /space exceeded/);
  }
  const filled = (await store.get("/fill/0"))?.version ?? 0n;
  for (const key of written) await store.delete(key);
  return Number(filled) + written.length - 2;
}

async function status(etcd: TestEtcd) {
  const [{ Status }] = JSON.parse(
    await etcd.ctl("endpoint", "status", "--write-out=json"),
  );
  return Status;
}

Deno.test("makeRoom() leaves no alarm and a small database although a recorder lags behind the deletions", async () => {
  await using etcd = await startTestEtcd([`--quota-backend-bytes=${QUOTA}`]);
  const filled = await fillAndDelete(etcd);
  match(await etcd.ctl("alarm", "list"), /NOSPACE/);
  const { header } = await status(etcd);
  let looks = 0;
  const recorder = {
    // It prints a large fill for a while.
    get revision() {
      return ++looks < 5 ? filled : header.revision;
    },
  };

  await makeRoom([etcd.endpoint], { recorders: [recorder], quotaBytes: QUOTA });

  strictEqual(await etcd.ctl("alarm", "list"), "");
  const { dbSize } = await status(etcd);
  ok(dbSize < QUOTA / 4, `${dbSize} bytes`);
  // Nor does it come back with a member that was killed.
  await etcd.kill();
  await etcd.restart();
  strictEqual(await etcd.ctl("alarm", "list"), "");
  deepStrictEqual(await etcd.ctl("put", "/a", "1"), "OK");
});
