import { deepStrictEqual, match } from "node:assert/strict";
import type { ClusterSpec } from "./cluster_config.ts";
import { newClusterFile } from "./new_cluster_file.ts";
import { parseClusterConfig } from "./parse_cluster_config.ts";
import { SPEC_DEFAULTS } from "./spec_rules.ts";

const dataDir = "/var/lib/kat";
const parse = (text: string) =>
  parseClusterConfig(text, { file: "cluster.kat", defaultDataDir: dataDir });

for (const name of ["nas", "no", "kat-7", "1e3", "null", "2026-11-29"]) {
  Deno.test(`newClusterFile() writes what parses, for a cluster ${name}`, () => {
    const networks = {
      clusterCIDR: "172.31.0.0/16",
      serviceCIDR: "172.30.0.0/16",
    };
    const text = newClusterFile({ name, spec: networks, isChosen: true });

    deepStrictEqual(parse(text), {
      name,
      spec: { ...SPEC_DEFAULTS, ...networks, dataDir, etcd: {} },
    });
    match(text, /^ {2}# etcdClientPort: 2379$/m);
  });
}

Deno.test("newClusterFile() writes all the settings that a node has", () => {
  const spec: ClusterSpec = {
    clusterCIDR: "fd00:100::/48",
    serviceCIDR: "fd00:200::/48",
    nodeSubnetBits: 8,
    clusterDomain: "true.local",
    agentPort: 1,
    apiPort: 2,
    etcdPeerPort: 3,
    etcdClientPort: 4,
    volumeBasePath: "/srv/a: #b",
    backupPath: "/srv/\"c'",
    backupIntervalMinutes: 1,
    agentTickSeconds: 1,
    nodeLossTimeoutSeconds: 2,
    leaderLeaseSeconds: 3,
    dataDir,
    etcd: {
      version: "3.6.13",
      mirror: "http://mirror.example/a",
      sha256: "0".repeat(64),
      binary: "/opt/etcd",
      quotaBackendBytes: 2 ** 30,
      heartbeatIntervalMs: 50,
      electionTimeoutMs: 500,
    },
  };

  deepStrictEqual(parse(newClusterFile({ name: "nas", spec })), {
    name: "nas",
    isLeaseGiven: true,
    spec,
  });
});
