import assert from "node:assert/strict";

import type { ClusterSpec } from "./cluster_config.ts";
import { compareSpecs } from "./compare_specs.ts";
import { SPEC_DEFAULTS } from "./spec_rules.ts";

const SPEC: ClusterSpec = {
  ...SPEC_DEFAULTS,
  dataDir: "/var/lib/kat",
  etcd: { version: "3.6.14" },
};

Deno.test("compareSpecs() finds no difference but in the data directory of a node", () => {
  assert.deepEqual(
    compareSpecs(SPEC, { ...SPEC, dataDir: "/srv", etcd: { ...SPEC.etcd } }),
    [],
  );
});

Deno.test("compareSpecs() says of each field whether it may change", () => {
  const wanted: ClusterSpec = {
    clusterCIDR: "10.101.0.0/16",
    serviceCIDR: "10.201.0.0/16",
    nodeSubnetBits: 8,
    clusterDomain: "other.local",
    agentPort: 1,
    apiPort: 2,
    etcdPeerPort: 3,
    etcdClientPort: 4,
    volumeBasePath: "/volumes",
    backupPath: "/backups",
    backupIntervalMinutes: 1,
    agentTickSeconds: 1,
    nodeLossTimeoutSeconds: 2,
    leaderLeaseSeconds: 3,
    dataDir: "/var/lib/kat",
    etcd: { binary: "/usr/bin/etcd" },
  };

  const differences = compareSpecs(SPEC, wanted);

  const fieldsThat = (mayChange: boolean) =>
    differences.filter((difference) => difference.mayChange === mayChange)
      .map(({ field }) => field);
  assert.deepEqual(fieldsThat(false), [
    "clusterCIDR",
    "serviceCIDR",
    "nodeSubnetBits",
    "clusterDomain",
    "agentPort",
    "apiPort",
    "etcdPeerPort",
    "etcdClientPort",
    "volumeBasePath",
  ]);
  assert.deepEqual(fieldsThat(true), [
    "backupPath",
    "backupIntervalMinutes",
    "agentTickSeconds",
    "nodeLossTimeoutSeconds",
    "leaderLeaseSeconds",
    "etcd.version",
    "etcd.binary",
  ]);
});

Deno.test("compareSpecs() shows both values, and undefined for one that is absent", () => {
  const differences = compareSpecs(SPEC, {
    ...SPEC,
    apiPort: 9000,
    etcd: { electionTimeoutMs: 2000 },
  });

  assert.deepEqual(differences, [
    { field: "apiPort", stored: 9115, wanted: 9000, mayChange: false },
    {
      field: "etcd.version",
      stored: "3.6.14",
      wanted: undefined,
      mayChange: true,
    },
    {
      field: "etcd.electionTimeoutMs",
      stored: undefined,
      wanted: 2000,
      mayChange: true,
    },
  ]);
});
