import { ok, strictEqual } from "node:assert/strict";
import { readMemberStatus } from "../../src/etcd/client/member_status.ts";
import { startEtcd } from "../../src/etcd/process/etcd_process.ts";
import { readLastIndex } from "../../src/etcd/data/wal_end.ts";
import { etcdctl } from "../machine/etcdctl.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { testMember } from "../machine/test_member.ts";

/** Three of them are longer than what is read of the log at once. */
const LONG = "x".repeat(100_000);

Deno.test("readLastIndex() finds the last entry of etcd's log, behind long and many others", async () => {
  await using member = await testMember();
  const { dataDir } = member.options.member;
  let behind = 0n;
  for (const values of [["a"], [LONG, LONG, LONG, "b"], ["c", LONG], ["d"]]) {
    const etcd = await startEtcd(member.options);
    await etcd.waitUntilServing();
    for (const value of values) {
      await etcdctl(member.clientUrl, "put", "/a", value);
    }
    for (let count = 0; count < 20; count++) {
      await etcdctl(member.clientUrl, "put", `/${count}`, "small");
    }
    const { raftIndex } = await readMemberStatus(member.clientUrl);
    await etcd.stop();

    const last = await readLastIndex(dataDir);

    strictEqual(last, raftIndex);
    ok(last > behind);
    behind = last;
  }
});

Deno.test("readLastIndex() takes the index from the name of an empty log file", async () => {
  await using dir = await tempDir();
  const wal = `${dir.path}/member/wal`;
  strictEqual(await readLastIndex(dir.path), undefined);
  await Deno.mkdir(wal, { recursive: true });
  strictEqual(await readLastIndex(dir.path), undefined);
  await Deno.writeFile(
    `${wal}/0000000000000001-00000000000003e9.wal`,
    new Uint8Array(4096),
  );
  strictEqual(await readLastIndex(dir.path), 1000n);
  await Deno.writeTextFile(`${wal}/0000000000000002-what.wal`, "strange");
  strictEqual(await readLastIndex(dir.path), undefined);
});
