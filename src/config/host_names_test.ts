import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { clusterNameOf, nodeNameOf } from "./host_names.ts";
import { dnsLabel, isDnsName } from "./value_rules.ts";

const LONG = "a".repeat(80);

/** A host's name, its node's, and its cluster's. */
const CASES: readonly (readonly [string, string, string])[] = [
  ["nas", "nas", "nas"],
  ["NAS.Home.example", "nas.home.example", "nas"],
  ["my_host", "my-host", "my-host"],
  ["_my__host_", "my-host", "my-host"],
  ["12345", "12345", "kat-12345"],
  ["localhost", "localhost", "kat"],
  ["localhost.localdomain", "localhost.localdomain", "kat"],
  ["10.0.0.5", "10.0.0.5", "kat"],
  ["Büro-Küche", "buro-kuche", "buro-kuche"],
  ["日本", "node", "kat"],
  ["", "node", "kat"],
  ["(none)", "none", "none"],
  ["...", "node", "kat"],
  [LONG, LONG.slice(0, 63), LONG.slice(0, 63)],
  [`${"b-".repeat(40)}.x`, `${"b-".repeat(31)}b.x`, `${"b-".repeat(31)}b`],
  ["no", "no", "no"],
  ["two words\n", "two-words", "two-words"],
];

for (const [host, node, cluster] of CASES) {
  Deno.test(`names of a node and a cluster out of ${JSON.stringify(host)}`, () => {
    deepStrictEqual([nodeNameOf(host), clusterNameOf(host)], [node, cluster]);
  });
}

Deno.test("nodeNameOf() and clusterNameOf() give valid names for any host", () => {
  const parts = ["a", "-", ".", "_", "é", "7", "x".repeat(70), "\u0000", "🙂"];
  for (const a of parts) {
    for (const b of parts) {
      for (const c of parts) {
        const host = `${a}${b}${c}.${b}${a}`.repeat(3);
        ok(isDnsName(nodeNameOf(host)), host);
        strictEqual("value" in dnsLabel.check(clusterNameOf(host)), true, host);
      }
    }
  }
});
