/**
 * Which etcd a command runs, from its flags, the environment and cluster.kat.
 *
 * @module
 */

import type { EtcdMemory } from "../agent/node/claim_node.ts";
import type { Report } from "../agent/node_state.ts";
import type { ClusterSpec } from "../config/cluster_config.ts";
import type { EtcdBinaries } from "../etcd/release/etcd_binaries.ts";
import type { BinaryOrigin } from "../etcd/release/find_etcd.ts";
import type { Context } from "./command.ts";
import { cacheDir, SYSTEM_CACHE, valueOf } from "./flag_values.ts";

/** What the command line says of etcd. */
export interface EtcdFlags {
  /** `--etcd-binary`. */
  readonly etcdBinary?: string | undefined;
  /** `--cache-dir`. */
  readonly cacheDir?: string | undefined;
}

/** Where the etcd of a node comes from. */
export interface EtcdFinder {
  /** Guesses its path from the names of files, without opening one. */
  readonly guessEtcd: (spec: ClusterSpec) => Promise<string | undefined>;
  /** Finds it and checks it, downloading it if need be. */
  readonly findEtcd: (
    spec: ClusterSpec,
    memory: EtcdMemory,
  ) => Promise<EtcdBinaries>;
}

/** Returns what finds the etcd for a node whose data is in `dataDir`, and tells `report` its progress. */
export function etcdFinder(
  flags: EtcdFlags,
  context: Context & { readonly dataDir: string; readonly report: Report },
): EtcdFinder {
  const wanted = ({ etcd }: ClusterSpec) => {
    const named: readonly [BinaryOrigin, string | undefined][] = [
      ["flag", flags.etcdBinary],
      ["environment", valueOf(undefined, "KAT_ETCD_BINARY", context)],
      ["config", etcd.binary],
    ];
    const [binaryFrom, binary] = named.find(([, path]) => path !== undefined) ??
      [];
    const { version, sha256, mirror } = etcd;
    return {
      binary,
      binaryFrom,
      version,
      sha256,
      mirror,
      cacheDir: cacheDir(flags.cacheDir, context),
      // What root has fetched serves everybody; without an own copy, none is needed.
      systemCacheDir: Deno.uid() === 0 ? undefined : SYSTEM_CACHE,
    };
  };
  const guess = async (spec: ClusterSpec) => {
    const { guessEtcd } = await import("../etcd/release/find_etcd.ts");
    return await guessEtcd(wanted(spec));
  };
  const find = async (spec: ClusterSpec, { known, former }: EtcdMemory) => {
    const { findEtcd } = await import("../etcd/release/find_etcd.ts");
    const { progressText, showProgress } = await import(
      "../etcd/release/show_progress.ts"
    );
    using progress = showProgress({ write: context.terminal });
    context.report({ search: "looking for etcd" });
    using _search = {
      [Symbol.dispose]: () => context.report({ search: undefined }),
    };
    const options = wanted(spec);
    return await findEtcd({
      ...options,
      // Who may write to the directory could change the program and node.json alike.
      known: isUnder(context.dataDir, options.cacheDir) ? undefined : known,
      former: former?.binary !== undefined &&
          isUnder(context.dataDir, former.binary)
        ? { ...former, binary: undefined }
        : former,
      path: context.env.PATH,
      signal: context.signal,
      onProgress(progressed) {
        progress.update(progressed);
        context.report({ search: progressText(progressed) });
      },
    });
  };
  return { guessEtcd: guess, findEtcd: find };
}

function isUnder(directory: string, path: string): boolean {
  return `${path}/`.startsWith(`${directory}/`);
}
