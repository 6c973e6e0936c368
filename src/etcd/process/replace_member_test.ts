import { match, ok, strictEqual } from "node:assert/strict";
import type { Diagnosis } from "./diagnose_log.ts";
import type { EtcdFailure } from "./etcd_process_error.ts";
import { replaceMember, withReplacement } from "./replace_member.ts";

function memberOf(count: number) {
  const initialCluster = Array.from({ length: count }, (_, index) => ({
    name: `n${index + 1}`,
    peerUrl: `http://10.0.0.${index + 1}:2380`,
  }));
  return {
    name: "n1",
    peerUrl: "http://10.0.0.1:2380",
    initialCluster,
    clientUrls: ["http://10.0.0.1:2379"] as const,
  };
}

function explain(failure: EtcdFailure, count: number): Diagnosis {
  const found = { failure, why: "why", hint: "Put it back" };
  const lines = [
    '{"level":"fatal","error":"member 628170c800dbcee has already been bootstrapped"}',
  ];
  return withReplacement(found, { member: memberOf(count), lines });
}

Deno.test("withReplacement() says which member has lost its data, and the commands that replace it", () => {
  const { why, hint = "" } = explain("data-lost", 3);

  match(why ?? "", /has had member "n1" \(628170c800dbcee\) with data/);
  match(
    hint,
    /--endpoints=http:\/\/10\.0\.0\.2:2379,http:\/\/10\.0\.0\.3:2379 member remove 628170c800dbcee;/,
  );
  match(hint, /member add n1 --peer-urls=http:\/\/10\.0\.0\.1:2380;/);
  match(hint, /which serve on meanwhile/);
});

Deno.test("withReplacement() offers no replacing where no majority is left", () => {
  for (const count of [1, 2]) {
    const { hint = "" } = explain("data-lost", count);

    match(hint, /restore a backup/);
    ok(!hint.includes("member remove"), hint);
  }
  match(replaceMember(memberOf(2)), /this version of kat-agent cannot/);
});

Deno.test("withReplacement() tells a removed and a damaged member of several how to go on", () => {
  match(explain("removed", 3).hint ?? "", /member add n1/);
  match(
    explain("damaged", 3).hint ?? "",
    /^Put it back; or .*member remove ID/,
  );
  strictEqual(explain("damaged", 1).hint, "Put it back");
  strictEqual(explain("wrong-cluster", 3).hint, "Put it back");
});
