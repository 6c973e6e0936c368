/**
 * All that follows from what a node knows, computed once before it starts: pure.
 *
 * @module
 */

import { isLoopback, urlOf } from "../../base/url.ts";
import type { ClusterSpec } from "../../config/cluster_config.ts";
import type { InitialMember } from "../../config/node_settings.ts";
import type { DiskProbe } from "../../etcd/disk_probe.ts";
import { chooseTiming, deriveTiming } from "../../etcd/etcd_timing.ts";
import type { EtcdMember } from "../../etcd/process/etcd_flags.ts";
import type { WantedPort } from "../../etcd/process/port_holder.ts";
import type { DataPaths } from "../data_directory.ts";
import type { NodeRecord } from "../node_record.ts";
import type { StoreEntry } from "../parts/store_part.ts";

/** What is done with a node, and where. */
export interface NodePlan {
  /** What the node knows. */
  readonly record: NodeRecord;
  /** Where its files are. */
  readonly paths: DataPaths;
  /** The members that the cluster was made of. */
  readonly members: readonly InitialMember[];
  /** The client URLs of all members, the node's own first. */
  readonly endpoints: readonly [string, ...string[]];
  /** The ports that its etcd will listen on. */
  readonly ports: readonly WantedPort[];
  /** Whether its disk must be measured before its etcd can be started. */
  readonly needsProbe: boolean;
  /** How it comes by its cluster. */
  readonly entry: StoreEntry;
}

/** Options of {@linkcode planNode}. */
export interface PlanOptions {
  /** Where its files are. */
  readonly paths: DataPaths;
  /** What cluster.kat says; without it the cluster's own configuration holds. */
  readonly wantedSpec?: ClusterSpec | undefined;
}

/** Plans a node. */
export function planNode(
  record: NodeRecord,
  { paths, wantedSpec }: PlanOptions,
): NodePlan {
  const members = record.initialCluster;
  return {
    record,
    paths,
    members,
    endpoints: clientEndpoints(record),
    ports: wantedPorts(record, paths.etcd),
    // A member that is alone waits for no other, and so not for its disk either.
    needsProbe: members.length > 1 && record.timing === undefined,
    entry: entryOf(record, wantedSpec),
  };
}

/**
 * The etcd member of a node: here, and nowhere else, its timing is decided, from
 * what the cluster settled on, or else from a measurement of the disk.
 */
export function planMember(
  { record, paths, members, endpoints: [clientUrl] }: NodePlan,
  probe: DiskProbe | undefined,
): EtcdMember {
  const { spec, nodeName, clusterName, advertiseAddress } = record;
  const { heartbeatIntervalMs, electionTimeoutMs } = chooseTiming(
    spec.etcd,
    record.timing ?? deriveTiming(probe?.p99Ms, { members: members.length }),
  );
  return {
    name: nodeName,
    dataDir: paths.etcd,
    clientUrls: [clientUrl],
    peerUrl: urlOf(advertiseAddress, spec.etcdPeerPort),
    initialCluster: members,
    initialClusterToken: `kat-${clusterName}`,
    heartbeatIntervalMs,
    electionTimeoutMs,
    quotaBackendBytes: spec.etcd.quotaBackendBytes,
  };
}

/** The client URLs of all members, the node's own first. */
export function clientEndpoints(
  { spec, advertiseAddress, initialCluster }: Pick<
    NodeRecord,
    "spec" | "advertiseAddress" | "initialCluster"
  >,
): [string, ...string[]] {
  const own = urlOf(advertiseAddress, spec.etcdClientPort);
  const others = initialCluster
    .map(({ peerUrl }) => new URL(peerUrl).hostname)
    .map((host) => `http://${host}:${spec.etcdClientPort}`)
    .filter((url) => url !== own);
  return [own, ...others];
}

function wantedPorts(
  { spec, advertiseAddress, initialCluster, state }: NodeRecord,
  dataDir: string,
): WantedPort[] {
  const isFixed = state === "ready";
  const isAlone = initialCluster.length === 1;
  const addressHint = !isFixed
    ? undefined
    : isAlone
    ? "Give it the address again, or give the node another one: kat-agent init with --advertise-address and the settings that it was made with. A node that is alone goes on with its data"
    : `Give this machine the address again, as: ip address add ${advertiseAddress}/24 dev INTERFACE. This version of kat-agent cannot change the address of one of several nodes; it can be replaced by a new one at another address`;
  const shared = { address: advertiseAddress, isFixed, dataDir, addressHint };
  const client: WantedPort = {
    ...shared,
    purpose: "client",
    port: spec.etcdClientPort,
    setting: "spec.etcdClientPort",
  };
  const peer: WantedPort = {
    ...shared,
    purpose: "peer",
    port: spec.etcdPeerPort,
    setting: "spec.etcdPeerPort",
  };
  return isLoopback(advertiseAddress)
    ? [client, peer]
    : [client, { ...client, address: "127.0.0.1" }, peer];
}

function entryOf(
  { state, clusterUid: uid, clusterName: name, spec, appliedSpec }: NodeRecord,
  wantedSpec: ClusterSpec | undefined,
): StoreEntry {
  const known = { name, spec, wantedSpec, appliedSpec };
  return state === "ready" && uid !== undefined
    ? { kind: "return", uid, ...known }
    : { kind: "make", ...known };
}
