import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { tempDir } from "../../../tests/machine/temp_dir.ts";
import { decodeWalHead, readWalIdentity } from "./wal_identity.ts";

/** The first bytes of a log of etcd 3.6.14: `crc`, padded by 4, and `metadata`, by 1. */
const HEAD = Uint8Array.fromHex(
  "0400000000000084080410000000000" + "0" +
    "1f00000000000081080110eac9d2fc091a1508c8a5a0dcd782a0bc6610e0e7cef4aa9baea8dc0100",
);

Deno.test("decodeWalHead() finds cluster and member behind the padding", () => {
  deepStrictEqual(decodeWalHead(HEAD), {
    memberId: (7383792418829112008n).toString(16),
    clusterId: (15875391935852295136n).toString(16),
  });
});

Deno.test("decodeWalHead() finds nothing when the log was cut off before it", () => {
  for (let length = 0; length < HEAD.length - 1; length++) {
    strictEqual(decodeWalHead(HEAD.subarray(0, length)), undefined);
  }
});

Deno.test("decodeWalHead() throws a RangeError when the bytes are none of a log", () => {
  const strange = HEAD.slice();
  strange[8] = 0x0b;
  throws(() => decodeWalHead(strange), RangeError);
});

Deno.test("readWalIdentity() finds nothing when there is no log, or a strange one", async () => {
  await using dir = await tempDir();
  strictEqual(await readWalIdentity(dir.path), undefined);
  await Deno.mkdir(`${dir.path}/member/wal`, { recursive: true });
  strictEqual(await readWalIdentity(dir.path), undefined);
  await Deno.writeTextFile(`${dir.path}/member/wal/0.wal`, "nothing of etcd's");
  strictEqual(await readWalIdentity(dir.path), undefined);
});
