/**
 * A KAT cluster on a plain etcd, for agents that run none of their own.
 *
 * @module
 */

import { establishCluster } from "../../src/cluster/cluster_record.ts";
import { parseClusterConfig } from "../../src/config/parse_cluster_config.ts";
import { EtcdStore } from "../../src/store/etcd/etcd_store.ts";

/** Makes a cluster with the given lease in the etcd at `endpoint`. */
export async function makeCluster(
  endpoint: string,
  leaderLeaseSeconds: number,
): Promise<void> {
  const cluster = parseClusterConfig(
    `apiVersion: kat.dws.rip/v1alpha1
kind: ClusterConfiguration
metadata:
  name: test
spec:
  clusterCIDR: 10.100.0.0/16
  serviceCIDR: 10.200.0.0/16
  leaderLeaseSeconds: ${leaderLeaseSeconds}
`,
    { file: "cluster.kat", defaultDataDir: "/var/lib/kat" },
  );
  await using store = new EtcdStore({ endpoints: [endpoint] });
  const { signal } = new AbortController();
  await establishCluster(store, cluster, { signal });
}
