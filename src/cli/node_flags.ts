/**
 * The flags that describe a node, and the node that they and cluster.kat
 * describe: what `init` makes, and what `systemd install` makes a service of.
 *
 * @module
 */

import type { WantedNode } from "../agent/node/wanted_node.ts";
import type { ClusterConfig } from "../config/cluster_config.ts";
import type { Context } from "./command.ts";
import { givenDataDir, nodeName, valueOf } from "./flag_values.ts";
import {
  advertiseAddressOption,
  cacheDirOption,
  etcdBinaryOption,
  initialClusterOption,
  logFormatOption,
  logLevelOption,
  newDataDirOption,
  nodeNameOption,
  stateDirOption,
} from "./options.ts";

/** The options of a node, but for `--config`, whose help differs. */
export const NODE_OPTIONS = {
  dataDir: newDataDirOption,
  nodeName: nodeNameOption,
  advertiseAddress: advertiseAddressOption,
  initialCluster: initialClusterOption,
  etcdBinary: etcdBinaryOption,
  cacheDir: cacheDirOption,
  stateDir: stateDirOption,
  logFormat: logFormatOption,
  logLevel: logLevelOption,
};

/** What the command line says of a node. */
export interface NodeFlags {
  /** The path of cluster.kat. */
  readonly config: string;
  /** What it is to say, if it is still to be written. */
  readonly text?: string | undefined;
  /** `--data-dir`. */
  readonly dataDir?: string | undefined;
  /** `--node-name`. */
  readonly nodeName?: string | undefined;
  /** `--advertise-address`. */
  readonly advertiseAddress?: string | undefined;
  /** `--initial-cluster`. */
  readonly initialCluster?: string | undefined;
}

/** A node as its flags, the environment and cluster.kat describe it. */
export interface DescribedNode {
  /** What cluster.kat says. */
  readonly config: ClusterConfig;
  /** The node. */
  readonly wanted: WantedNode;
  /** Its data directory. */
  readonly dataDir: string;
  /** `--advertise-address` as it was given. */
  readonly advertiseAddress: string | undefined;
  /** `--initial-cluster` as it was given, without blanks. */
  readonly initialCluster: string | undefined;
}

/**
 * Reads cluster.kat and the settings of the node, and checks them against each
 * other. `usualDataDir` is the data directory if nothing names another.
 *
 * @throws {UsageError | ConfigError} if something in them is wrong.
 */
export async function describeNode(
  flags: NodeFlags,
  context: Context & { readonly usualDataDir: string | undefined },
): Promise<DescribedNode> {
  const { readClusterConfig } = await import(
    "../config/read_cluster_config.ts"
  );
  const { parseAdvertiseAddress, parseInitialCluster } = await import(
    "../config/node_settings.ts"
  );
  const { wantedNode } = await import("../agent/node/wanted_node.ts");

  const given = givenDataDir(flags.dataDir, context);
  const { parseClusterConfig } = await import(
    "../config/parse_cluster_config.ts"
  );
  const defaultDataDir = given ?? context.usualDataDir;
  const config = flags.text === undefined
    ? await readClusterConfig(flags.config, { defaultDataDir })
    : parseClusterConfig(flags.text, { file: flags.config, defaultDataDir });
  const dataDir = given ?? config.spec.dataDir;
  const advertiseAddress = valueOf(
    flags.advertiseAddress,
    "KAT_ADVERTISE_ADDRESS",
    context,
  );
  const givenCluster = valueOf(
    flags.initialCluster,
    "KAT_INITIAL_CLUSTER",
    context,
  );
  const wanted = wantedNode(config, {
    nodeName: await nodeName(flags.nodeName, context),
    advertiseAddress: advertiseAddress &&
      parseAdvertiseAddress(advertiseAddress),
    initialCluster: givenCluster === undefined
      ? undefined
      : parseInitialCluster(givenCluster),
    dataDir,
  });
  const initialCluster = givenCluster?.replaceAll(/\s/g, "");
  return { config, wanted, dataDir, advertiseAddress, initialCluster };
}
