/**
 * What a node is to be, from its flags and cluster.kat: pure.
 *
 * @module
 */

import { hostOf, urlOf } from "../../base/url.ts";
import { UsageError } from "../../base/errors.ts";
import type { ClusterConfig } from "../../config/cluster_config.ts";
import type { InitialMember } from "../../config/node_settings.ts";
import type { NodeRecord } from "../node_record.ts";

/** A node as flags and cluster.kat want it. */
export type WantedNode = Omit<NodeRecord, "state" | "clusterUid">;

/** What {@linkcode wantedNode} is made from. */
export interface NodeFlags {
  /** The node's name. */
  readonly nodeName: string;
  /** `--advertise-address`, if given. */
  readonly advertiseAddress: string | undefined;
  /** `--initial-cluster`, if given. */
  readonly initialCluster: readonly InitialMember[] | undefined;
  /** The data directory. */
  readonly dataDir: string;
}

/**
 * The node that a cluster's configuration and flags describe.
 *
 * @throws {UsageError} if they contradict each other.
 */
export function wantedNode(
  config: ClusterConfig,
  flags: NodeFlags,
): WantedNode {
  const { nodeName, initialCluster } = flags;
  const own = initialCluster?.find(({ name }) => name === nodeName);
  if (initialCluster && !own) {
    throw new UsageError(
      `Cannot find this node, "${nodeName}", in --initial-cluster: it names ${
        initialCluster.map(({ name }) => `"${name}"`).join(", ")
      }`,
      { hint: "Give this node's name among them with --node-name" },
    );
  }
  const spec = { ...config.spec, dataDir: flags.dataDir };
  const advertiseAddress = flags.advertiseAddress ??
    (own ? hostOf(own.peerUrl) : "127.0.0.1");
  const peerUrl = urlOf(advertiseAddress, spec.etcdPeerPort);
  if (own && own.peerUrl !== peerUrl) {
    throw new UsageError(
      `Cannot use "${own.name}=${own.peerUrl}" of --initial-cluster: this node's peer URL is ${peerUrl}`,
      {
        hint:
          "Make --initial-cluster agree with --advertise-address and spec.etcdPeerPort",
      },
    );
  }
  return {
    clusterName: config.name,
    nodeName,
    advertiseAddress,
    initialCluster: initialCluster ?? [{ name: nodeName, peerUrl }],
    spec,
  };
}
