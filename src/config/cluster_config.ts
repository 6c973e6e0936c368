/**
 * The types of `cluster.kat`: what the whole cluster agrees on.
 *
 * What belongs to one node only, as its name and its address, comes from flags.
 *
 * @module
 */

/** The only `apiVersion` there is. */
export const API_VERSION = "kat.dws.rip/v1alpha1";
/** The only `kind` there is. */
export const KIND = "ClusterConfiguration";

/** A `cluster.kat` that passed every check, with its defaults filled in. */
export interface ClusterConfig {
  /** The cluster's name: a DNS label. */
  readonly name: string;
  /** Everything under `spec`. */
  readonly spec: ClusterSpec;
  /** Says that `leaderLeaseSeconds` is the file's own, and not the default. */
  readonly isLeaseGiven?: true;
}

/** Everything under `spec`, with its defaults filled in. */
export interface ClusterSpec {
  /** Where workloads' addresses come from, as `10.100.0.0/16`. */
  readonly clusterCIDR: string;
  /** Where services' addresses come from; does not overlap `clusterCIDR`. */
  readonly serviceCIDR: string;
  /** Bits added to the prefix of `clusterCIDR` for each node's subnet. */
  readonly nodeSubnetBits: number;
  /** The DNS name under which the cluster's own names live. */
  readonly clusterDomain: string;
  /** The TCP port of agents among themselves. */
  readonly agentPort: number;
  /** The TCP port of the API. */
  readonly apiPort: number;
  /** The TCP port of etcd members among themselves. */
  readonly etcdPeerPort: number;
  /** The TCP port of etcd for its clients. */
  readonly etcdClientPort: number;
  /** The directory of volumes; absolute. */
  readonly volumeBasePath: string;
  /** The directory of backups; absolute. */
  readonly backupPath: string;
  /** Minutes from one backup to the next. */
  readonly backupIntervalMinutes: number;
  /** Seconds from one report of an agent to the next. */
  readonly agentTickSeconds: number;
  /** Seconds of silence after which a node counts as lost. */
  readonly nodeLossTimeoutSeconds: number;
  /** Seconds that leadership outlives its last renewal; etcd may grant more. */
  readonly leaderLeaseSeconds: number;
  /** The agent's directory on a node; absolute. */
  readonly dataDir: string;
  /** How etcd is got and run. */
  readonly etcd: EtcdSpec;
}

/** How etcd is got and run; the agent chooses what is absent. */
export interface EtcdSpec {
  /** The release, as `3.6.14`. */
  readonly version?: string;
  /** The URL to download releases from instead of the official ones. */
  readonly mirror?: string;
  /** The archive's SHA-256, as 64 lowercase hexadecimal digits. */
  readonly sha256?: string;
  /** An etcd that is already there; absolute. */
  readonly binary?: string;
  /** The size in bytes at which etcd refuses to grow. */
  readonly quotaBackendBytes?: number;
  /** Milliseconds from one heartbeat of etcd's leader to the next. */
  readonly heartbeatIntervalMs?: number;
  /** Milliseconds without a heartbeat after which etcd elects anew. */
  readonly electionTimeoutMs?: number;
}
