/**
 * No answer of a server takes more memory than what was asked for can need,
 * whatever it announces and however it is packed.
 *
 * @module
 */

import { ok } from "node:assert/strict";
import { makeCluster } from "../machine/cluster_on_etcd.ts";
import { startTestEtcd } from "../machine/test_etcd.ts";
import { announcedBomb, compressedBomb, manyMessages } from "./fakes/bombs.ts";
import { type CallName, encodeMessage } from "./fakes/etcd_messages.ts";
import { type Lie, startHostileEtcd } from "./fakes/hostile_etcd.ts";
import { runMeasured } from "./fakes/measured_run.ts";

const MIB = 1024 ** 2;
/** A command from source takes 150 MB, and a fair answer some dozens. */
const MOST_BYTES = 320 * MIB;
/** What is thrown at it, unpacked. */
const BOMB_BYTES = 512 * MIB;

const BOMBS: readonly (readonly [string, () => Lie | Promise<Lie>])[] = [
  ["packed with gzip", () => compressedBomb(BOMB_BYTES, "gzip")],
  ["packed with deflate", () => compressedBomb(BOMB_BYTES, "deflate")],
  ["announced with 4 GiB", () => announcedBomb(BOMB_BYTES)],
  [
    "of endless messages in place of one",
    () =>
      manyMessages(
        encodeMessage("RangeResponse", {
          kvs: [{ key: "", value: "A".repeat(MIB) }],
        }),
        BOMB_BYTES,
      ),
  ],
];

/** Commands with the call of theirs that is answered with a bomb. */
const TARGETS: readonly (readonly [CallName, readonly string[]])[] = [
  ["KV/Txn", ["status"]],
  ["KV/Range", ["store", "list", "/"]],
  ["Cluster/MemberList", ["status"]],
  ["Watch/Watch", ["store", "watch", "/kat/"]],
];

for (const [how, bomb] of BOMBS) {
  // One target is enough where only the way of packing differs.
  const targets = how.endsWith("deflate") ? TARGETS.slice(0, 1) : TARGETS;
  for (const [call, [command = "", ...rest]] of targets) {
    Deno.test(`kat-agent ${command} bears an answer to ${call} ${how}`, {
      ignore: Deno.build.os !== "linux",
    }, async () => {
      await using etcd = await startTestEtcd();
      await makeCluster(etcd.endpoint, 5);
      const lie = await bomb();
      await using hostile = await startHostileEtcd({
        behind: etcd.endpoint,
        lie: ({ name }) => name === call ? lie : undefined,
      });

      const { peakBytes, code, stderr } = await runMeasured(
        [command, ...rest, `--endpoints=${hostile.endpoint}`],
        { stopAfterMs: 15_000 },
      );

      ok(hostile.calls.includes(call), "the bomb was never asked for");
      ok(code !== 70, stderr);
      ok(
        peakBytes < MOST_BYTES,
        `it took ${Math.round(peakBytes / MIB)} MiB`,
      );
    });
  }
}
