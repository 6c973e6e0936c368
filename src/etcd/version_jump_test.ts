import { match, strictEqual } from "node:assert/strict";
import { parseEtcdVersion } from "./etcd_version.ts";
import { forbiddenJump } from "./version_jump.ts";

function jump(member: string, now: string, cluster?: string) {
  return forbiddenJump(
    {
      member: parseEtcdVersion(member),
      cluster: cluster === undefined ? undefined : parseEtcdVersion(cluster),
    },
    parseEtcdVersion(now),
  );
}

const ALLOWED = [
  ["3.6.14", "3.6.14"],
  ["3.6.14", "3.6.1"],
  ["3.4.23", "3.5.33"],
  ["3.5.26", "3.6.0"],
  ["3.5.33", "3.6.14"],
  ["3.6.14", "3.7.1"],
] as const;
for (const [before, now] of ALLOWED) {
  Deno.test(`forbiddenJump() allows ${now} after ${before}`, () => {
    strictEqual(jump(before, now), undefined);
  });
}

const FORBIDDEN = [
  [
    "3.6.14",
    "3.5.33",
    /3\.5\.33 is too old for data .* of version 3\.6/,
    /etcd 3\.6 or/,
  ],
  [
    "3.6.14",
    "3.4.23",
    /is too old for data .* of version 3\.6/,
    /backup that was made with etcd 3\.4/,
  ],
  [
    "3.4.23",
    "3.6.14",
    /more than one minor version newer than etcd 3\.4\.23/,
    /Run etcd 3\.5 first/,
  ],
  [
    "3.5.33",
    "3.7.0",
    /more than one minor version newer/,
    /Run etcd 3\.6 first/,
  ],
  [
    "3.5.25",
    "3.6.14",
    /misread the list of members/,
    /etcd 3\.5\.26 or a later/,
  ],
  ["3.6.14", "4.0.0", /4\.0\.0 cannot run on data/, /Use etcd 3\.6 again/],
  ["4.0.0", "3.6.14", /3\.6\.14 cannot run on data/, /Use etcd 4\.0 again/],
] as const;
for (const [before, now, why, hint] of FORBIDDEN) {
  Deno.test(`forbiddenJump() forbids ${now} after ${before}`, () => {
    const found = jump(before, now);
    match(found?.why ?? "", why);
    match(found?.hint ?? "", hint);
  });
}

Deno.test("forbiddenJump() allows going back while other members still hold the cluster at the old version", () => {
  strictEqual(jump("3.6.14", "3.5.33", "3.5.0"), undefined);
});

Deno.test("forbiddenJump() forbids going back once the cluster agreed on the new version", () => {
  match(
    jump("3.6.14", "3.5.33", "3.6.0")?.why ?? "",
    /too old for data .* of version 3\.6/,
  );
});
