/**
 * `kat-agent init`: makes a cluster, or continues it, and serves the node.
 *
 * @module
 */

import { resolve } from "node:path";
import { object } from "@optique/core/constructs";
import { map } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import type { Command } from "./command.ts";
import { etcdFinder } from "./etcd_finder.ts";
import { usualDataDir, valueOf } from "./flag_values.ts";
import { describeNode, NODE_OPTIONS } from "./node_flags.ts";
import { path, plainText } from "./options.ts";
import { serve, type ServingContext } from "./serve.ts";

const options = object({
  config: option("--config", "-c", path("FILE", "file"), {
    description: plainText("The cluster's configuration, cluster.kat."),
  }),
  ...NODE_OPTIONS,
});

/** See `kat-agent help init`. */
export const initCommand: Command = {
  name: "init",
  summary:
    "Make a cluster from cluster.kat, or continue it, and serve the node",
  description:
    "Reads cluster.kat, gets etcd and starts it, stores the cluster's UID and configuration, and takes part in the election of the leader until it is stopped (Ctrl-C or SIGTERM). If the data directory holds this node already, init continues it and applies the settings that changed in cluster.kat. Each flag except --config can also be given in the environment: --data-dir as KAT_DATA_DIR.",
  examples: [
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
  const described = await describeNode(flags, {
    ...context,
    usualDataDir: usualDataDir(context),
  });
  const { config, wanted, dataDir } = described;
  // Another program than the file's needs no trust in the file.
  if (!valueOf(flags.etcdBinary, "KAT_ETCD_BINARY", context)) {
    const { refuseForeignProgram } = await import(
      "../config/refuse_foreign_program.ts"
    );
    await refuseForeignProgram(resolve(flags.config), config.spec);
  }
  const { initNode } = await import("../agent/node/serve_node.ts");
  const { sockets, report, signal } = context;
  await initNode(wanted, {
    dataDir,
    isAddressGiven: described.advertiseAddress !== undefined ||
      described.initialCluster !== undefined,
    isLeaseGiven: config.isLeaseGiven ?? false,
    ...etcdFinder(flags, { ...context, dataDir }),
    sockets,
    report,
    signal,
  });
}
