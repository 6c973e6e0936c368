import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { findSpaceTroubles, leastFreeBytes } from "./space_rules.ts";

const MIB = 1024 ** 2;
const ROOMY = { dbBytes: 10 * MIB, quotaBytes: 100 * MIB };

function kinds(...args: Parameters<typeof findSpaceTroubles>): string[] {
  return findSpaceTroubles(...args).map(({ kind }) => kind);
}

Deno.test("findSpaceTroubles() finds nothing when there is room, or nothing is known", () => {
  deepStrictEqual(kinds({}), []);
  deepStrictEqual(kinds(ROOMY), []);
  deepStrictEqual(
    kinds({ ...ROOMY, diskFreeBytes: leastFreeBytes(ROOMY) }),
    [],
  );
  deepStrictEqual(kinds({ dbBytes: 90 * MIB }), []);
});

Deno.test("findSpaceTroubles() warns from 70 % of the quota, and ends below 65 %", () => {
  const at = (percent: number) => ({ ...ROOMY, dbBytes: percent * MIB });
  const known = new Set(["quota"] as const);

  deepStrictEqual(kinds(at(69.9)), []);
  deepStrictEqual(kinds(at(70)), ["quota"]);
  deepStrictEqual(kinds(at(65), known), ["quota"]);
  deepStrictEqual(kinds(at(64.9), known), []);
});

Deno.test("findSpaceTroubles() advises to compact only when data fill the database", () => {
  const full = { ...ROOMY, dbBytes: 80 * MIB };
  const [data] = findSpaceTroubles({ ...full, dbBytesInUse: 78 * MIB });
  const [gaps] = findSpaceTroubles({ ...full, dbBytesInUse: 5 * MIB });

  match(data?.why ?? "", /^its database has 80\.0 MiB, 80 % of its quota$/);
  match(data?.advice ?? "", /etcd compact and then kat-agent etcd defrag/);
  match(gaps?.advice ?? "", /^run kat-agent etcd defrag:/);
});

Deno.test("findSpaceTroubles() names the three commands in order when the database is full", () => {
  const [trouble, ...rest] = findSpaceTroubles({
    ...ROOMY,
    dbBytes: 100 * MIB,
    isFull: true,
  });

  strictEqual(trouble?.kind, "nospace");
  match(trouble?.advice ?? "", /compact.*defrag.*disarm/);
  deepStrictEqual(rest, []);
});

Deno.test("findSpaceTroubles() warns when the disk has no room for the log and a copy of the database", () => {
  const least = leastFreeBytes(ROOMY);
  const known = new Set(["disk"] as const);

  strictEqual(least, 128_000_000 + 10 * MIB);
  deepStrictEqual(kinds({ ...ROOMY, diskFreeBytes: least - 1 }), ["disk"]);
  deepStrictEqual(kinds({ ...ROOMY, diskFreeBytes: least }, known), ["disk"]);
  deepStrictEqual(kinds({ ...ROOMY, diskFreeBytes: 2 * least }, known), []);
});
