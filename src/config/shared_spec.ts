/**
 * What of the spec all nodes of a cluster share, and what is each node's own:
 * its directories, and which etcd runs there and where it comes from.
 *
 * @module
 */

import type { ClusterSpec, EtcdSpec } from "./cluster_config.ts";
import { ETCD_RULES, type PlainSpec, SPEC_RULES } from "./spec_rules.ts";

/** The fields of `spec` that are a node's own. */
export const OWN_NAMES = ["volumeBasePath", "backupPath", "dataDir"] as const;
/** The fields of `spec.etcd` that are a node's own: they decide what is run. */
export const OWN_ETCD_NAMES = [
  "version",
  "mirror",
  "sha256",
  "binary",
] as const;

/** How etcd is run on all nodes alike. */
export type SharedEtcdSpec = Omit<EtcdSpec, typeof OWN_ETCD_NAMES[number]>;

/** The spec without what is a node's own: what the store holds. */
export type SharedSpec =
  & Omit<PlainSpec, typeof OWN_NAMES[number]>
  & { readonly etcd: SharedEtcdSpec };

/** Returns a copy with the shared fields alone, in the order of the rules. */
export function sharedSpec(spec: SharedSpec): SharedSpec {
  return {
    ...omit(pick(spec, SPEC_RULES), OWN_NAMES),
    etcd: omit(pick(spec.etcd, ETCD_RULES), OWN_ETCD_NAMES),
  } as SharedSpec;
}

/** Returns a copy of a whole spec with the fields in the order of the rules. */
export function orderSpec(spec: ClusterSpec): ClusterSpec {
  return {
    ...pick(spec, SPEC_RULES),
    etcd: pick(spec.etcd, ETCD_RULES),
  } as ClusterSpec;
}

/**
 * Returns a node's own spec with what its cluster has decided meanwhile. Ports,
 * paths and everything about the etcd that is run stay the node's own: whoever
 * writes to the store decides nothing on the machine. Networks and the domain
 * never change, and so are taken `first`, when the node gets to know its cluster.
 */
export function followCluster(
  own: ClusterSpec,
  cluster: SharedSpec,
  { first }: { readonly first: boolean },
): ClusterSpec {
  const { clusterCIDR, serviceCIDR, nodeSubnetBits, clusterDomain } = first
    ? cluster
    : own;
  const { backupIntervalMinutes, agentTickSeconds } = cluster;
  const { nodeLossTimeoutSeconds, leaderLeaseSeconds } = cluster;
  const { version, mirror, sha256, binary } = own.etcd;
  return orderSpec({
    ...own,
    clusterCIDR,
    serviceCIDR,
    nodeSubnetBits,
    clusterDomain,
    backupIntervalMinutes,
    agentTickSeconds,
    nodeLossTimeoutSeconds,
    leaderLeaseSeconds,
    etcd: {
      ...sharedSpec(cluster).etcd,
      ...(version === undefined ? {} : { version }),
      ...(mirror === undefined ? {} : { mirror }),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(binary === undefined ? {} : { binary }),
    },
  });
}

/** The fields of `object` that `rules` names and that have a value, in their order. */
export function pick(object: object, rules: object): object {
  const values = new Map(Object.entries(object));
  return Object.fromEntries(
    Object.keys(rules)
      .filter((name) => values.get(name) !== undefined)
      .map((name) => [name, values.get(name)]),
  );
}

function omit(object: object, names: readonly string[]): object {
  return Object.fromEntries(
    Object.entries(object).filter(([name]) => !names.includes(name)),
  );
}
