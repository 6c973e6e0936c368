/**
 * The arguments that etcd is started with, from a member and a version: pure.
 * Its timing is decided in `etcd_timing`.
 *
 * Every setting that matters is an argument, because etcd's defaults differ
 * between versions.
 *
 * @module
 */

import { hostOf, isLoopback, portOf } from "../../base/url.ts";
import type { InitialMember } from "../../config/node_settings.ts";
import type { EtcdTiming } from "../etcd_timing.ts";
import type { EtcdVersion } from "../etcd_version.ts";

/** What an etcd needs to know of itself and its cluster. Hosts in URLs are IP addresses. */
export interface EtcdMember extends EtcdTiming {
  /** Its name, as in `initialCluster`. */
  readonly name: string;
  /** The directory for all its data, absolute. */
  readonly dataDir: string;
  /** The URLs for clients, as `http://127.0.0.1:2379`: it listens there, and on loopback. */
  readonly clientUrls: readonly [string, ...string[]];
  /** The URLs that it listens on for clients instead, if they differ. */
  readonly listenClientUrls?: readonly string[] | undefined;
  /** The URL for its peers, as `http://127.0.0.1:2380`; it listens there only. */
  readonly peerUrl: string;
  /** All members of the new cluster, itself included. etcd reads this at its first start only. */
  readonly initialCluster: readonly InitialMember[];
  /**
   * Whether its cluster exists and has been told of it, with `etcdctl member add`:
   * it then gets its data from the others. etcd reads this at its first start only.
   */
  readonly joinsExisting?: boolean | undefined;
  /** Distinguishes clusters that were made with the same addresses. */
  readonly initialClusterToken: string;
  /** The size of the database at which etcd refuses writes, in bytes. */
  readonly quotaBackendBytes?: number | undefined;
}

/** etcd's own default, 2 GiB; the state of a few machines is far below it. */
export const DEFAULT_QUOTA_BYTES: number = 2 * 1024 ** 3;

/** Returns the arguments that start `member` on an etcd of `version`. */
export function etcdFlags(member: EtcdMember, version: EtcdVersion): string[] {
  const { minor } = version;
  const listenClientUrls = member.listenClientUrls ??
    withLoopback(member.clientUrls);
  const hosts = new Set(
    [...member.clientUrls, ...listenClientUrls].map(hostOf),
  );
  const initialCluster = member.initialCluster
    .map(({ name, peerUrl }) => `${name}=${peerUrl}`);
  const flags = [
    `--name=${member.name}`,
    `--data-dir=${member.dataDir}`,
    `--listen-client-urls=${listenClientUrls.join(",")}`,
    `--advertise-client-urls=${member.clientUrls.join(",")}`,
    `--listen-peer-urls=${member.peerUrl}`,
    `--initial-advertise-peer-urls=${member.peerUrl}`,
    `--initial-cluster=${initialCluster.join(",")}`,
    `--initial-cluster-token=${member.initialClusterToken}`,
    `--initial-cluster-state=${member.joinsExisting ? "existing" : "new"}`,
    `--heartbeat-interval=${member.heartbeatIntervalMs}`,
    `--election-timeout=${member.electionTimeoutMs}`,
    "--pre-vote=true",
    `--quota-backend-bytes=${member.quotaBackendBytes ?? DEFAULT_QUOTA_BYTES}`,
    "--auto-compaction-mode=periodic",
    "--auto-compaction-retention=8h",
    // A web page in a browser on this machine may send requests to loopback.
    // The JSON gateway would accept them as writes, so it is off. The two lists
    // keep such a page from reading etcd's answers.
    "--enable-grpc-gateway=false",
    `--host-whitelist=${[...hosts].join(",")}`,
    `--cors=${member.clientUrls.join(",")}`,
    "--log-level=info",
    // Otherwise an etcd whose parent is process 1 logs to the journal.
    "--log-outputs=stderr",
  ];
  if (minor <= 4) flags.push("--logger=zap");
  if (minor <= 5) flags.push("--enable-v2=false");
  flags.push(
    minor <= 5
      ? "--experimental-initial-corrupt-check=true"
      : "--feature-gates=InitialCorruptCheck=true",
  );
  return flags;
}

/** Adds 127.0.0.1, so that local tools find etcd there whatever its other address is. */
function withLoopback(urls: readonly string[]): string[] {
  const ports = urls.filter((url) => !isLoopback(hostOf(url)))
    .map(portOf);
  const local = ports.map((port) => `http://127.0.0.1:${port}`);
  return [...new Set([...urls, ...local])];
}
