/**
 * Which arguments etcd is started with: pure, from a member and a version.
 *
 * Every setting that matters is given on the command line, so that neither
 * etcd's defaults, which differ between versions, nor its environment decide.
 *
 * @module
 */

import { hostOf, isLoopback, portOf } from "../../base/url.ts";
import type { EtcdTiming } from "../etcd_timing.ts";
import type { EtcdVersion } from "../etcd_version.ts";

/** A member of a cluster that is to be made. */
export interface InitialMember {
  /** Its name. */
  readonly name: string;
  /** Where its peers reach it, as `http://10.0.0.1:2380`. */
  readonly peerUrl: string;
}

/** What one etcd is told about itself and its cluster. Hosts in URLs are IP addresses. */
export interface EtcdMember extends EtcdTiming {
  /** Its name, as in `initialCluster`. */
  readonly name: string;
  /** An absolute path; all that etcd stores is under it. */
  readonly dataDir: string;
  /** Where clients reach it, as `http://127.0.0.1:2379`: it listens there, and on loopback. */
  readonly clientUrls: readonly [string, ...string[]];
  /** Where it listens for clients instead, if that is elsewhere. */
  readonly listenClientUrls?: readonly string[] | undefined;
  /** Where its peers reach it, as `http://127.0.0.1:2380`; it listens there and nowhere else. */
  readonly peerUrl: string;
  /** All members that the cluster is made of, itself included. etcd reads it at the first start only. */
  readonly initialCluster: readonly InitialMember[];
  /** Keeps clusters apart that were made with the same addresses. */
  readonly initialClusterToken: string;
  /** The size of the database at which etcd refuses writes, in bytes. */
  readonly quotaBackendBytes?: number | undefined;
}

/** etcd's own default, said aloud; the state of a few machines is far below it. */
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
    "--initial-cluster-state=new",
    `--heartbeat-interval=${member.heartbeatIntervalMs}`,
    `--election-timeout=${member.electionTimeoutMs}`,
    "--pre-vote=true",
    `--quota-backend-bytes=${member.quotaBackendBytes ?? DEFAULT_QUOTA_BYTES}`,
    "--auto-compaction-mode=periodic",
    "--auto-compaction-retention=8h",
    // A web page open on this machine may send requests to loopback. The
    // gateway would take them as writes; the two lists keep such a page from
    // reading the rest under a name of its own, and other pages' answers.
    "--enable-grpc-gateway=false",
    `--host-whitelist=${[...hosts].join(",")}`,
    `--cors=${member.clientUrls.join(",")}`,
    "--log-level=info",
    // The default is the journal if etcd's parent is process 1.
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

/** Local tools find etcd on 127.0.0.1 whatever its address on the network is. */
function withLoopback(urls: readonly string[]): string[] {
  const ports = urls.filter((url) => !isLoopback(hostOf(url)))
    .map(portOf);
  const local = ports.map((port) => `http://127.0.0.1:${port}`);
  return [...new Set([...urls, ...local])];
}
