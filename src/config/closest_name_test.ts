import assert from "node:assert/strict";

import { closestName } from "./closest_name.ts";

const NAMES = ["agentPort", "apiPort", "etcd", "backupPath"];

Deno.test("closestName() finds a name by a slip, a missing letter or another case", () => {
  assert.equal(closestName("apiProt", NAMES), "apiPort");
  assert.equal(closestName("agntPort", NAMES), "agentPort");
  assert.equal(closestName("APIPORT", NAMES), "apiPort");
  assert.equal(closestName("backup_path", NAMES), "backupPath");
  assert.equal(closestName("etc", NAMES), "etcd");
});

Deno.test("closestName() finds the only name that a word starts, and none of several", () => {
  assert.equal(closestName("backup", [...NAMES, "apiPath"]), "backupPath");
  assert.equal(
    closestName("clusterD", ["clusterDomain", "clusterDisk"]),
    undefined,
  );
});

Deno.test("closestName() finds nothing near an other word, an empty one or a long one", () => {
  assert.equal(closestName("replicas", NAMES), undefined);
  assert.equal(closestName("", NAMES), undefined);
  assert.equal(closestName("apiPort".repeat(100_000), NAMES), undefined);
});
