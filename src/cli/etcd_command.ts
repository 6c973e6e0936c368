/**
 * `kat-agent etcd`: gets the etcd that the agent runs, and gives its database space.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { map, optional } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import { ExitCode } from "../base/errors.ts";
import type { Command, Context } from "./command.ts";
import { startCommandLog } from "./command_log.ts";
import { readConfig } from "./config_command.ts";
import {
  compactCommand,
  defragCommand,
  disarmCommand,
} from "./etcd_space_commands.ts";
import { cacheDir } from "./flag_values.ts";
import { cacheDirOption, path, plainText } from "./options.ts";

const options = object({
  config: optional(option("--config", "-c", path("FILE", "file"), {
    description: plainText(
      "Take the version, checksum and mirror of etcd from this cluster.kat.",
    ),
  })),
  cacheDir: cacheDirOption,
});

const fetchCommand: Command = {
  name: "fetch",
  summary: "Download etcd ahead of time",
  description:
    "Downloads the release that init would download, checks it and puts it into the cache. Prints the path of etcd. For a machine without network, copy the cache directory to it.",
  examples: [
    "kat-agent etcd fetch",
    "kat-agent etcd fetch --config cluster.kat --cache-dir ./cache",
  ],
  parser: map(options, (flags) => (context) => fetch(flags, context)),
};

/** See `kat-agent help etcd`. */
export const etcdCommand: Command = {
  name: "etcd",
  summary: "Download etcd ahead of time, or make space in its database",
  description:
    "Manages the etcd that the agent runs. If status says that a database is full, run compact, defrag and disarm, in this order.",
  examples: [
    "kat-agent etcd fetch",
    "kat-agent etcd compact && kat-agent etcd defrag && kat-agent etcd disarm",
  ],
  parser: [fetchCommand, compactCommand, defragCommand, disarmCommand],
};

async function fetch(
  flags: InferValue<typeof options>,
  context: Context,
): Promise<ExitCode> {
  const { fetchEtcd } = await import("../etcd/release/find_etcd.ts");
  const { showProgress } = await import("../etcd/release/show_progress.ts");
  await using _log = await startCommandLog({}, context);

  const config = flags.config === undefined
    ? undefined
    : await readConfig(flags.config, context);
  const etcd = config?.spec.etcd;
  using progress = showProgress({ write: context.terminal });
  const found = await fetchEtcd({
    version: etcd?.version,
    sha256: etcd?.sha256,
    mirror: etcd?.mirror,
    cacheDir: cacheDir(flags.cacheDir, context),
    signal: context.signal,
    onProgress: progress.update,
  });
  // A script uses the path, whatever characters it has.
  await context.stdoutBytes(new TextEncoder().encode(`${found.etcd}\n`));
  return ExitCode.ok;
}
