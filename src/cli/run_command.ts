/**
 * `kat-agent run`: serves a node that was initialised before, or takes part on
 * an etcd that somebody else runs.
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
import { existingDataDir, givenEndpoints, nodeName } from "./flag_values.ts";
import {
  cacheDirOption,
  dataDirOption,
  endpointsOption,
  etcdBinaryOption,
  logFormatOption,
  logLevelOption,
  nodeNameOption,
  path,
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
  logFormat: logFormatOption,
  logLevel: logLevelOption,
});

/** See `kat-agent help run`. */
export const runCommand: Command = {
  name: "run",
  summary: "Serve a node that was initialised before",
  description:
    "Starts the node in the data directory and takes part in the election until it is told to stop. With --endpoints it runs no etcd of its own and takes part on the one that is there.",
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
        { hint: "With --endpoints the node runs no etcd and keeps no data" },
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
      hint: "A node keeps the name that it was initialised with",
    });
  }
  const dataDir = existingDataDir(flags.dataDir, context);
  const { runNode } = await import("../agent/node/serve_node.ts");
  await runNode({
    dataDir,
    ...etcdFinder(flags, { ...context, dataDir }),
    sockets,
    report,
    signal,
  });
}
