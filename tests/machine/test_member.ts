/**
 * An etcd member of kat-agent's own kind, ready to be started in a directory
 * of its own.
 *
 * @module
 */

import { deriveTiming } from "../../src/etcd/etcd_timing.ts";
import type { EtcdMember } from "../../src/etcd/process/etcd_flags.ts";
import type { EtcdProcessOptions } from "../../src/etcd/process/etcd_process.ts";
import { etcdBinaries } from "./tested_etcd.ts";
import { freePorts } from "./free_ports.ts";
import { tempDir } from "./temp_dir.ts";

/** What a test starts; disposing removes the directory. */
export interface TestMember extends AsyncDisposable {
  /** Holds the data directory `etcd`, the log and the pid file. */
  readonly dir: string;
  /** Its client URL. */
  readonly clientUrl: string;
  /** What to start it with. */
  readonly options: EtcdProcessOptions;
}

/** Makes a member that is alone in its cluster, unless `changes` say otherwise. */
export async function testMember(
  changes: Partial<EtcdMember> = {},
): Promise<TestMember> {
  const dir = await tempDir();
  const [clientPort, peerPort] = freePorts(2);
  const clientUrl = `http://127.0.0.1:${clientPort}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  return {
    dir: dir.path,
    clientUrl,
    options: {
      binary: etcdBinaries.etcd,
      version: etcdBinaries.version,
      member: {
        name: "n1",
        dataDir: `${dir.path}/etcd`,
        clientUrls: [clientUrl],
        peerUrl,
        initialCluster: [{ name: "n1", peerUrl }],
        initialClusterToken: "test",
        ...deriveTiming(undefined, {
          members: changes.initialCluster?.length ?? 1,
        }),
        ...changes,
      },
      logFile: `${dir.path}/etcd.log`,
      pidFile: `${dir.path}/etcd.pid`,
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}
