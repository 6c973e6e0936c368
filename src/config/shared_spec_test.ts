import { deepStrictEqual } from "node:assert/strict";
import type { ClusterSpec } from "./cluster_config.ts";
import { followCluster, sharedSpec } from "./shared_spec.ts";
import { SPEC_DEFAULTS } from "./spec_rules.ts";

const OWN: ClusterSpec = {
  ...SPEC_DEFAULTS,
  dataDir: "/var/lib/kat",
  etcd: { binary: "/usr/bin/etcd", quotaBackendBytes: 2 ** 30 },
};
/** All that may be said in a store, and more than a store may say. */
const CLUSTER: ClusterSpec = {
  clusterCIDR: "10.101.0.0/16",
  serviceCIDR: "10.201.0.0/16",
  nodeSubnetBits: 8,
  clusterDomain: "other.local",
  agentPort: 1,
  apiPort: 2,
  etcdPeerPort: 3,
  etcdClientPort: 4,
  volumeBasePath: "/etc",
  backupPath: "/etc/cron.d",
  backupIntervalMinutes: 1,
  agentTickSeconds: 1,
  nodeLossTimeoutSeconds: 2,
  leaderLeaseSeconds: 3,
  dataDir: "/tmp",
  etcd: { binary: "/tmp/evil", mirror: "http://e", electionTimeoutMs: 2_000 },
};
/** What a node that knows its cluster takes from it. */
const FOLLOWED = {
  backupIntervalMinutes: 1,
  agentTickSeconds: 1,
  nodeLossTimeoutSeconds: 2,
  leaderLeaseSeconds: 3,
  etcd: { binary: "/usr/bin/etcd", electionTimeoutMs: 2_000 },
};

Deno.test("followCluster() takes no port, no path and nothing that decides what is run", () => {
  deepStrictEqual(followCluster(OWN, CLUSTER, { first: false }), {
    ...OWN,
    ...FOLLOWED,
  });
});

Deno.test("followCluster() takes the networks and the domain when the node gets to know its cluster", () => {
  const { clusterCIDR, serviceCIDR, nodeSubnetBits, clusterDomain } = CLUSTER;

  deepStrictEqual(followCluster(OWN, CLUSTER, { first: true }), {
    ...OWN,
    ...FOLLOWED,
    clusterCIDR,
    serviceCIDR,
    nodeSubnetBits,
    clusterDomain,
  });
});

Deno.test("sharedSpec() leaves out what is a node's own", () => {
  const { volumeBasePath, backupPath, dataDir, ...rest } = CLUSTER;

  deepStrictEqual([volumeBasePath, backupPath, dataDir], [
    "/etc",
    "/etc/cron.d",
    "/tmp",
  ]);
  deepStrictEqual(sharedSpec(CLUSTER), {
    ...rest,
    etcd: { electionTimeoutMs: 2_000 },
  });
});
