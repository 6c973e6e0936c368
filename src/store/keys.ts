/**
 * Every key that the agent writes, in one place.
 *
 * The rest of `/kat/` is kept free for what builds on the store.
 *
 * @module
 */

/** Which layout of keys the store holds. */
export const SCHEMA_VERSION_KEY = "/kat/schema_version";
/** The layout that this agent knows. */
export const SCHEMA_VERSION = "1";
/** The cluster's UUID: made once, never changed. */
export const CLUSTER_UID_KEY = "/kat/config/cluster_uid";
/** The cluster's name, `metadata.name` of `cluster.kat`. */
export const CLUSTER_NAME_KEY = "/kat/config/cluster_name";
/** The whole `spec` of `cluster.kat` with its defaults, as JSON, without what is a node's own. */
export const CLUSTER_CONFIG_KEY = "/kat/config/cluster_config";
/** etcd's time-outs and the lease, as JSON. */
export const TIMING_KEY = "/kat/config/timing";
/** The candidates' keys; the one with the lowest create revision leads. */
export const ELECTION_PREFIX = "/kat/leader_election/";

/** The key of the candidate that holds a lease; the layout of Go's `clientv3/concurrency`. */
export function electionKey(leaseId: bigint): string {
  return `${ELECTION_PREFIX}${BigInt.asUintN(64, leaseId).toString(16)}`;
}

/** The lease that an {@linkcode electionKey} was made for; `undefined` if it is none. */
export function leaseOfElectionKey(key: string): bigint | undefined {
  const name = key.startsWith(ELECTION_PREFIX)
    ? key.slice(ELECTION_PREFIX.length)
    : "";
  return /^[0-9a-f]{1,16}$/.test(name)
    ? BigInt.asIntN(64, BigInt(`0x${name}`))
    : undefined;
}
