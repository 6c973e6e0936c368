/**
 * The fields of `cluster.kat`: each one's rule and default, in the order in
 * which they are shown and stored.
 *
 * @module
 */

import { absolutePath } from "./absolute_path.ts";
import type { ClusterSpec, EtcdSpec } from "./cluster_config.ts";
import type { Rule } from "./rule.ts";
import {
  dnsName,
  etcdVersion,
  integer,
  mirrorUrl,
  network,
  sha256,
} from "./value_rules.ts";

/** One rule for each field of `T`. */
export type RulesOf<T> = {
  readonly [K in keyof T]-?: Rule<Exclude<T[K], undefined>>;
};

/** The fields of `spec` that hold one value. */
export type PlainSpec = Omit<ClusterSpec, "etcd">;

/** What `setTimeout` can wait: 2³¹ − 1 ms, nearly 25 days. */
const MAX_TIMER_SECONDS = 2_147_483;
const MIB = 1024 * 1024;

const port = integer({ min: 1, max: 65_535, what: "a port" });
const seconds = integer({ min: 1, max: MAX_TIMER_SECONDS });

/** The rules of the fields of `spec`, but for `etcd`. */
export const SPEC_RULES: RulesOf<PlainSpec> = {
  clusterCIDR: network,
  serviceCIDR: network,
  nodeSubnetBits: integer({ min: 1, max: 125 }),
  clusterDomain: dnsName,
  agentPort: port,
  apiPort: port,
  etcdPeerPort: port,
  etcdClientPort: port,
  volumeBasePath: absolutePath,
  backupPath: absolutePath,
  backupIntervalMinutes: integer({
    min: 1,
    max: Math.floor(MAX_TIMER_SECONDS / 60),
  }),
  agentTickSeconds: seconds,
  nodeLossTimeoutSeconds: seconds,
  leaderLeaseSeconds: integer({ min: 2, max: 3600 }),
  dataDir: absolutePath,
};

/** The values of fields that a file may leave out. */
export const SPEC_DEFAULTS: Omit<PlainSpec, "dataDir"> = {
  clusterCIDR: "10.100.0.0/16",
  serviceCIDR: "10.200.0.0/16",
  nodeSubnetBits: 7,
  clusterDomain: "kat.cluster.local",
  agentPort: 9116,
  apiPort: 9115,
  etcdPeerPort: 2380,
  etcdClientPort: 2379,
  volumeBasePath: "/var/lib/kat/volumes",
  backupPath: "/var/lib/kat/backups",
  backupIntervalMinutes: 30,
  agentTickSeconds: 15,
  nodeLossTimeoutSeconds: 60,
  leaderLeaseSeconds: 15,
};

/** The rules of the fields of `spec.etcd`; none has a default here. */
export const ETCD_RULES: RulesOf<EtcdSpec> = {
  version: etcdVersion,
  mirror: mirrorUrl,
  sha256,
  binary: absolutePath,
  // Above 8 GiB etcd itself warns; below 16 MiB a day's writes fill it.
  quotaBackendBytes: integer({
    min: 16 * MIB,
    max: 8 * 1024 * MIB,
    what: "a number of bytes",
  }),
  // etcd refuses an election time-out above 50 s or below five heartbeats.
  heartbeatIntervalMs: integer({ min: 1, max: 10_000 }),
  electionTimeoutMs: integer({ min: 5, max: 50_000 }),
};

/** The names of the fields of `spec` that hold one value, in order. */
export const SPEC_NAMES = Object.keys(SPEC_RULES) as (keyof PlainSpec)[];
/** The names of the fields of `spec.etcd`, in order. */
export const ETCD_NAMES = Object.keys(ETCD_RULES) as (keyof EtcdSpec)[];
