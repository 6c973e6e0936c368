/**
 * `kat-agent run`: serves a node that was made before, or takes part in the
 * election on an etcd that runs already.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { map, optional } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import { UsageError } from "../base/errors.ts";
import type { Command } from "./command.ts";
import { etcdFinder } from "./etcd_finder.ts";
import {
  existingDataDir,
  givenEndpoints,
  nodeName,
  stateDir,
} from "./flag_values.ts";
import {
  cacheDirOption,
  dataDirOption,
  endpointsOption,
  etcdBinaryOption,
  logFormatOption,
  logLevelOption,
  nodeNameOption,
  path,
  stateDirOption,
} from "./options.ts";
import { serve, type ServingContext } from "./serve.ts";

const options = object({
  // Only to say what to do instead.
  config: optional(
    option("--config", "-c", path("FILE", "file"), { hidden: true }),
  ),
  dataDir: dataDirOption,
  endpoints: endpointsOption,
  nodeName: nodeNameOption,
  etcdBinary: etcdBinaryOption,
  cacheDir: cacheDirOption,
  stateDir: stateDirOption,
  logFormat: logFormatOption,
  logLevel: logLevelOption,
});

/** See `kat-agent help run`. */
export const runCommand: Command = {
  name: "run",
  summary: "Serve a node with the settings that it has",
  description:
    "Starts the node in the data directory with the settings that it has, and takes part in the election of the leader until it is stopped. To apply a changed cluster.kat, use kat-agent init. With --endpoints it starts no etcd, and takes part in the election on the one at these URLs.",
  examples: [
    "kat-agent run",
    "kat-agent run --data-dir ./data",
    "kat-agent run --endpoints http://127.0.0.1:2379 --node-name n2",
  ],
  parser: map(
    options,
    (flags) => (context) =>
      serve(flags, context, (context) => run(flags, context)),
  ),
};

async function run(
  flags: InferValue<typeof options>,
  context: ServingContext,
): Promise<void> {
  const { sockets, report, signal } = context;
  if (flags.config !== undefined) {
    throw new UsageError("Cannot use --config with kat-agent run", {
      hint:
        "run serves the node with the settings that it has; to apply a changed cluster.kat: kat-agent init --config FILE",
    });
  }
  const endpoints = await givenEndpoints(flags.endpoints, context);
  if (endpoints !== undefined) {
    if (flags.dataDir !== undefined || flags.etcdBinary !== undefined) {
      throw new UsageError(
        "Cannot use --endpoints together with --data-dir or --etcd-binary",
        { hint: "With --endpoints kat-agent runs no etcd and keeps no data" },
      );
    }
    const { runExternal } = await import("../agent/node/external_agent.ts");
    return await runExternal({
      endpoints,
      nodeName: await nodeName(flags.nodeName, context),
      sockets,
      report,
      signal,
    });
  }
  if (flags.nodeName !== undefined) {
    throw new UsageError("Cannot use --node-name without --endpoints", {
      hint: "A node keeps the name that it was made with",
    });
  }
  const dataDir = existingDataDir(flags.dataDir, context);
  const { runNode } = await import("../agent/node/serve_node.ts");
  await runNode({
    dataDir,
    stateDir: stateDir(flags.stateDir, context),
    ...etcdFinder(flags, { ...context, dataDir }),
    sockets,
    report,
    signal,
  });
}
