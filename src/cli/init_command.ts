/**
 * `kat-agent init`: makes a cluster, or takes it up again, and serves it.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { map } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import type { Report } from "../agent/node_state.ts";
import { ExitCode } from "../base/errors.ts";
import type { Command, Context } from "./command.ts";
import { etcdFinder } from "./etcd_finder.ts";
import { startCommandLog } from "./command_log.ts";
import {
  advertiseAddressOption,
  cacheDirOption,
  dataDirOption,
  etcdBinaryOption,
  givenDataDir,
  initialClusterOption,
  logFormatOption,
  logLevelOption,
  nodeName,
  nodeNameOption,
  path,
  plainText,
  usualDataDir,
  valueOf,
} from "./options.ts";

const options = object({
  config: option("--config", "-c", path("FILE", "file"), {
    description: plainText("The cluster's configuration, cluster.kat."),
  }),
  dataDir: dataDirOption,
  nodeName: nodeNameOption,
  advertiseAddress: advertiseAddressOption,
  initialCluster: initialClusterOption,
  etcdBinary: etcdBinaryOption,
  cacheDir: cacheDirOption,
  logFormat: logFormatOption,
  logLevel: logLevelOption,
});

/** See `kat-agent help init`. */
export const initCommand: Command = {
  name: "init",
  summary: "Make a cluster, or take it up where it was left, and serve it",
  description:
    "Reads cluster.kat, gets etcd, starts it, stores the cluster's UID and configuration, and takes part in the election until it is told to stop (Ctrl-C or SIGTERM). On a directory that holds the same node already it goes on from there. Each flag but --config can be given as KAT_… in the environment, too.",
  examples: [
    "kat-agent init --config cluster.kat",
    "kat-agent init --config cluster.kat --data-dir ./data --node-name n1",
    "kat-agent init --config cluster.kat --node-name n1 \\",
    "  --initial-cluster n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380,n3=http://10.0.0.3:2380",
  ],
  parser: map(options, (flags) => (context) => init(flags, context)),
};

async function init(
  flags: InferValue<typeof options>,
  context: Context,
): Promise<ExitCode> {
  await using _log = await startCommandLog(flags, context);
  const { underSystemd } = await import("../agent/health/systemd.ts");
  return await underSystemd(
    context,
    (report) => initAndServe(flags, { ...context, report }),
  );
}

async function initAndServe(
  flags: InferValue<typeof options>,
  context: Context & { readonly report: Report },
): Promise<ExitCode> {
  const { readClusterConfig } = await import(
    "../config/read_cluster_config.ts"
  );
  const { parseAdvertiseAddress, parseInitialCluster } = await import(
    "../config/node_settings.ts"
  );
  const { wantedNode } = await import("../agent/node/wanted_node.ts");

  const given = givenDataDir(flags.dataDir, context);
  const config = await readClusterConfig(flags.config, {
    defaultDataDir: given ?? usualDataDir(context),
  });
  const dataDir = given ?? config.spec.dataDir;
  const address = valueOf(
    flags.advertiseAddress,
    "KAT_ADVERTISE_ADDRESS",
    context,
  );
  const members = valueOf(
    flags.initialCluster,
    "KAT_INITIAL_CLUSTER",
    context,
  );
  const wanted = wantedNode(config, {
    nodeName: nodeName(flags.nodeName, context),
    advertiseAddress: address && parseAdvertiseAddress(address),
    initialCluster: members === undefined
      ? undefined
      : parseInitialCluster(members),
    dataDir,
  });

  const { initNode } = await import("../agent/node/serve_node.ts");
  const { systemdSockets } = await import("../agent/health/systemd.ts");
  await initNode(wanted, {
    dataDir,
    isLeaseGiven: config.isLeaseGiven ?? false,
    ...etcdFinder(flags, { ...context, dataDir }),
    sockets: systemdSockets(context),
    report: context.report,
    signal: context.signal,
  });
  return ExitCode.ok;
}
