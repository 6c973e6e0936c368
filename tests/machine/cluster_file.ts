/**
 * A cluster.kat on free ports.
 *
 * @module
 */

import { freePorts } from "./free_ports.ts";

/** A cluster.kat that was written for a test. */
export interface ClusterFile {
  /** Its path. */
  readonly path: string;
  /** The port on which etcd serves clients. */
  readonly clientPort: number;
  /** The port on which etcd's members talk. */
  readonly peerPort: number;
}

/** Options of {@linkcode writeClusterFile}. */
export interface ClusterFileOptions {
  /** Fields of `spec` besides the required ones, as YAML values. */
  readonly spec?: Readonly<Record<string, string | number>>;
  /** The addresses on which the ports must be free. @default {["127.0.0.1"]} */
  readonly hostnames?: readonly string[];
  /** The file's name. @default {"cluster.kat"} */
  readonly name?: string;
}

/** Writes a valid cluster.kat with free ports into `dir`. */
export async function writeClusterFile(
  dir: string,
  { spec = {}, hostnames = ["127.0.0.1"], name = "cluster.kat" }:
    ClusterFileOptions = {},
): Promise<ClusterFile> {
  const [clientPort = 0, peerPort = 0] = freePorts(2, hostnames);
  const fields = {
    clusterCIDR: "10.100.0.0/16",
    serviceCIDR: "10.200.0.0/16",
    etcdClientPort: clientPort,
    etcdPeerPort: peerPort,
    leaderLeaseSeconds: 5,
    ...spec,
  };
  const lines = [
    "apiVersion: kat.dws.rip/v1alpha1",
    "kind: ClusterConfiguration",
    "metadata:",
    "  name: test",
    "spec:",
    ...Object.entries(fields).map(([field, value]) => `  ${field}: ${value}`),
  ];
  const path = `${dir}/${name}`;
  await Deno.writeTextFile(path, lines.join("\n") + "\n");
  return { path, clientPort, peerPort };
}

/** The command line that makes node `n1` of a cluster in `data`, or takes it up again. */
export function initArgs(file: ClusterFile, data: string): string[] {
  return [
    "init",
    `--config=${file.path}`,
    `--data-dir=${data}`,
    "--node-name=n1",
  ];
}
