import {
  deepStrictEqual,
  rejects,
  strictEqual,
  throws,
} from "node:assert/strict";
import { tempDir } from "../machine/temp_dir.ts";
import type { HistoryRecord } from "./history.ts";
import {
  HistoryWriter,
  parseRecord,
  readHistory,
  valueText,
} from "./history_file.ts";
import { monotonicNs } from "./monotonic_clock.ts";

const HEADER: HistoryRecord = {
  type: "history",
  format: 1,
  seed: 1,
  versions: {},
  members: 1,
  lease_ttl_ms: 5_000,
  election_prefix: "/kat/leader_election/",
  foreign_prefixes: ["/kat/"],
};
const PUT: HistoryRecord = {
  type: "op",
  f: "put",
  process: "c1",
  id: "c1:1",
  key: "/a\n\u2028",
  value: "c1:1",
  call_ns: 1,
  return_ns: 2,
  outcome: "ok",
  result: { version: 3 },
};

Deno.test("readHistory() returns what a HistoryWriter wrote, across its buffer", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/history.jsonl`;
  {
    await using writer = await HistoryWriter.open(path);
    writer.append(HEADER);
    for (let count = 0; count < 2_000; count++) writer.append(PUT);
  }
  const history = await readHistory(path);
  deepStrictEqual(history.header, HEADER);
  strictEqual(history.operations.length, 2_000);
  deepStrictEqual(history.operations[1_999], PUT);
});

Deno.test("readHistory() names the line that does not fit", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/history.jsonl`;
  const wrong = JSON.stringify({ ...PUT, outcome: "perhaps" });
  await Deno.writeTextFile(path, `${JSON.stringify(HEADER)}\n${wrong}\n`);
  await rejects(readHistory(path), /history\.jsonl:2: .*outcome/);
  await Deno.writeTextFile(path, JSON.stringify(PUT));
  await rejects(readHistory(path), /one header, this one 0/);
});

Deno.test("parseRecord() takes times as strings and refuses unknown fields", () => {
  const record = parseRecord(JSON.stringify({ ...PUT, call_ns: "17" }));
  strictEqual(record.type === "op" && record.call_ns, 17);
  throws(() => parseRecord(JSON.stringify({ ...PUT, extra: 1 })), /extra/);
});

Deno.test("valueText() keeps short text and tells other bytes apart", async () => {
  strictEqual(await valueText(new TextEncoder().encode("c1:7")), "c1:7");
  const one = await valueText(new Uint8Array([0xff, 0xfe]));
  const other = await valueText(new Uint8Array([0xff, 0xfd]));
  strictEqual(one.startsWith("sha256:") && one !== other, true);
});

Deno.test("monotonicNs() is the same clock for another process", async () => {
  const before = monotonicNs();
  const url = new URL("./monotonic_clock.ts", import.meta.url).href;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--ext=ts",
      `import { monotonicNs } from ${JSON.stringify(url)};
      console.log(monotonicNs());`,
    ],
  }).output();
  const between = Number(new TextDecoder().decode(stdout));
  strictEqual(before < between && between < monotonicNs(), true);
});
