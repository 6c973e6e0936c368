/**
 * From what a node knows to the etcd member that it runs: pure.
 *
 * @module
 */

import { type EtcdMember } from "../../etcd/process/etcd_flags.ts";
import { chooseTiming, deriveTiming } from "../../etcd/etcd_timing.ts";
import { isLoopback, urlOf } from "../../base/url.ts";
import type { WantedPort } from "../../etcd/process/port_holder.ts";
import type { NodeRecord } from "../node_record.ts";

/** The part of a {@linkcode NodeRecord} that decides on a member. */
export type MemberSource = Pick<
  NodeRecord,
  | "clusterName"
  | "nodeName"
  | "advertiseAddress"
  | "initialCluster"
  | "spec"
  | "timing"
>;

/** The member of a node, with its data in `dataDir`. */
export function planMember(source: MemberSource, dataDir: string): EtcdMember {
  const { spec, nodeName, advertiseAddress, initialCluster } = source;
  const timing = chooseTiming(
    spec.etcd,
    source.timing ??
      deriveTiming(undefined, { members: initialCluster.length }),
  );
  return {
    name: nodeName,
    dataDir,
    clientUrls: [urlOf(advertiseAddress, spec.etcdClientPort)],
    peerUrl: urlOf(advertiseAddress, spec.etcdPeerPort),
    initialCluster,
    initialClusterToken: `kat-${source.clusterName}`,
    heartbeatIntervalMs: timing.heartbeatIntervalMs,
    electionTimeoutMs: timing.electionTimeoutMs,
    quotaBackendBytes: spec.etcd.quotaBackendBytes,
  };
}

/** The client URLs of all members, the node's own first. */
export function clientEndpoints(source: MemberSource): string[] {
  const { spec, advertiseAddress, initialCluster } = source;
  const own = urlOf(advertiseAddress, spec.etcdClientPort);
  const others = initialCluster
    .map(({ peerUrl }) => new URL(peerUrl).hostname)
    .map((host) => `http://${host}:${spec.etcdClientPort}`)
    .filter((url) => url !== own);
  return [own, ...others];
}

/** The ports that the member will listen on. */
export function wantedPorts(
  { spec, advertiseAddress, state }:
    & Pick<NodeRecord, "spec" | "advertiseAddress">
    & Partial<Pick<NodeRecord, "state">>,
): WantedPort[] {
  const isFixed = state === "ready";
  const client: WantedPort = {
    purpose: "client",
    address: advertiseAddress,
    port: spec.etcdClientPort,
    setting: "spec.etcdClientPort",
    isFixed,
  };
  const peer: WantedPort = {
    purpose: "peer",
    address: advertiseAddress,
    port: spec.etcdPeerPort,
    setting: "spec.etcdPeerPort",
    isFixed,
  };
  return isLoopback(advertiseAddress)
    ? [client, peer]
    : [client, { ...client, address: "127.0.0.1" }, peer];
}
