/**
 * `kat-agent init`: makes a cluster, or continues it, and serves the node.
 *
 * @module
 */

import { resolve } from "node:path";
import { object } from "@optique/core/constructs";
import { map, optional } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import type { PathError } from "../base/files/untrusted_path.ts";
import { UsageError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import { findClusterFile, writeNewFile } from "./find_cluster_file.ts";
import type { Command } from "./command.ts";
import { etcdFinder } from "./etcd_finder.ts";
import { stateDir, usualDataDir, valueOf } from "./flag_values.ts";
import {
  type DescribedNode,
  describeNode,
  NODE_OPTIONS,
} from "./node_flags.ts";
import { path, plainText } from "./options.ts";
import { serve, type ServingContext } from "./serve.ts";

const options = object({
  config: optional(option("--config", "-c", path("FILE", "file"), {
    description: plainText(
      "The cluster's configuration, cluster.kat. Default: ./cluster.kat; without it, /etc/kat/cluster.kat for root, kat/cluster.kat in $XDG_CONFIG_HOME or ~/.config for other users, which is written if it is not there.",
    ),
  })),
  ...NODE_OPTIONS,
});

/** See `kat-agent help init`. */
export const initCommand: Command = {
  name: "init",
  summary:
    "Make a cluster from cluster.kat, or continue it, and serve the node",
  description:
    "Reads cluster.kat, which it writes if there is none, gets etcd and starts it, stores the cluster's UID and configuration, and takes part in the election of the leader until it is stopped (Ctrl-C or SIGTERM). If the data directory holds this node already, init continues it and applies the settings that changed in cluster.kat. Each flag except --config can also be given in the environment: --data-dir as KAT_DATA_DIR.",
  examples: [
    "kat-agent init",
    "kat-agent init --config cluster.kat",
    "kat-agent init --config cluster.kat --data-dir ./data --node-name n1",
    "kat-agent init --config cluster.kat --node-name n1 --initial-cluster \\",
    "  n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380,n3=http://10.0.0.3:2380",
  ],
  parser: map(
    options,
    (flags) => (context) =>
      serve(flags, context, (context) => init(flags, context)),
  ),
};

async function init(
  flags: InferValue<typeof options>,
  context: ServingContext,
): Promise<void> {
  const { refuseForeignProgram } = await import(
    "../config/refuse_foreign_program.ts"
  );
  const described = await describe(flags, context);
  const { file, foreign, config, wanted, dataDir } = described;
  // Another program than the file's needs no trust in the file.
  if (!valueOf(flags.etcdBinary, "KAT_ETCD_BINARY", context)) {
    refuseForeignProgram(resolve(file), { spec: config.spec, foreign });
  }
  const { initNode } = await import("../agent/node/serve_node.ts");
  const { sockets, report, signal } = context;
  await initNode(wanted, {
    dataDir,
    stateDir: stateDir(flags.stateDir, context),
    isAddressGiven: described.advertiseAddress !== undefined ||
      described.initialCluster !== undefined,
    isLeaseGiven: config.isLeaseGiven ?? false,
    ...etcdFinder(flags, { ...context, dataDir }),
    sockets,
    report,
    signal,
  });
}

/** The node and the file that describes it, which is written if there was none. */
async function describe(
  flags: InferValue<typeof options>,
  context: ServingContext,
): Promise<
  DescribedNode & {
    readonly file: string;
    /** Why another user can change the file. */
    readonly foreign: PathError | undefined;
  }
> {
  const { path, text, isNew } = await findClusterFile(flags, context);
  const { whyForeign } = await import("../config/refuse_foreign_program.ts");
  const foreign = await whyForeign(resolve(path));
  const options = { ...context, usualDataDir: usualDataDir(context) };
  const node = await describeNode({ ...flags, config: path, text }, options);
  if (isNew && node.wanted.initialCluster.length > 1) {
    throw new UsageError(
      "Cannot make one of several nodes without a cluster.kat, which must be the same on all of them",
      {
        hint:
          "Make it once, kat-agent config new cluster.kat, copy it to every node, and give it with --config",
      },
    );
  }
  const log = logger("cli");
  if (text !== undefined) {
    const { name, spec: { clusterCIDR, serviceCIDR } } = node.config;
    try {
      await writeNewFile(path, text);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      // Another kat-agent was faster.
      return await describe(flags, context);
    }
    log.info("Wrote a new cluster.kat, as there was none", {
      file: path,
      name,
      clusterCIDR,
      serviceCIDR,
    });
  } else if (flags.config === undefined) {
    log.info("Uses the cluster.kat that it found", { file: resolve(path) });
  }
  return { ...node, file: path, foreign };
}
