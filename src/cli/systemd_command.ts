/**
 * `kat-agent systemd`: makes the node a service of the machine, or removes the service.
 *
 * @module
 */

import { resolve } from "node:path";
import { object } from "@optique/core/constructs";
import { map, optional } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { flag, option } from "@optique/core/primitives";
import { ExitCode, KatError } from "../base/errors.ts";
import type { Command, Context } from "./command.ts";
import { SERVICE_CACHE, SERVICE_STATE, valueOf } from "./flag_values.ts";
import { describeNode, NODE_OPTIONS } from "./node_flags.ts";
import { path, plainText, type Setting, setting } from "./options.ts";
import type { UnitOptions } from "./systemd_unit.ts";

const installOptions = object({
  config: option("--config", "-c", path("FILE", "file"), {
    description: plainText(
      "The cluster's configuration, cluster.kat; the service reads it at each start.",
    ),
  }),
  ...NODE_OPTIONS,
  exec: setting(
    "--exec",
    "PROGRAM",
    "The kat-agent that the service runs. Default: this one.",
  ),
  dryRun: dryRunFlag("Change nothing; print the unit."),
});

const installCommand: Command = {
  name: "install",
  summary: "Make this node a service that starts at boot",
  description:
    "Makes the system user kat, writes /etc/systemd/system/kat-agent.service from cluster.kat and the flags, and enables the service; it does not start it. With --dry-run it only prints the unit. Install again after a change of the paths in cluster.kat.",
  examples: [
    "kat-agent systemd install --config /etc/kat/cluster.kat",
    "kat-agent systemd install --config /etc/kat/cluster.kat --dry-run",
  ],
  parser: map(installOptions, (flags) => (context) => install(flags, context)),
};

const uninstallCommand: Command = {
  name: "uninstall",
  summary: "Stop the service and remove it; data stays",
  description:
    "Stops and disables kat-agent.service and removes its unit, if install made it. The data, the cache, cluster.kat and the user kat stay.",
  examples: ["kat-agent systemd uninstall"],
  parser: map(
    object({ dryRun: dryRunFlag("Change nothing; print what would be done.") }),
    (flags) => async (context) => {
      const { uninstallUnit } = await import("./install_unit.ts");
      await context.stdout(
        await uninstallUnit({ dryRun: flags.dryRun === true }),
      );
      return ExitCode.ok;
    },
  ),
};

/** See `kat-agent help systemd`. */
export const systemdCommand: Command = {
  name: "systemd",
  summary: "Make this node a service, or remove the service",
  description: "Installs or removes the systemd unit of this node.",
  examples: ["kat-agent systemd install --config /etc/kat/cluster.kat"],
  parser: [installCommand, uninstallCommand],
};

/** `--dry-run`, which may be left out. */
function dryRunFlag(description: string): Setting<true> {
  return optional(flag("--dry-run", { description: plainText(description) }));
}

async function install(
  flags: InferValue<typeof installOptions>,
  context: Context,
): Promise<ExitCode> {
  const { installUnit, systemdVersion } = await import("./install_unit.ts");
  const { systemdUnit } = await import("./systemd_unit.ts");
  const isDry = flags.dryRun === true;
  const unit = await unitOf(flags, context);
  const text = systemdUnit({ ...unit, systemdVersion: await systemdVersion() });
  // The text of the unit is to be kept as it is.
  if (isDry) await context.stdoutBytes(new TextEncoder().encode(text));
  else await context.stdout(await installUnit(text, unit));
  return ExitCode.ok;
}

/** The unit that the flags, the environment and cluster.kat describe; they are checked as `init` would. */
async function unitOf(
  flags: InferValue<typeof installOptions>,
  context: Context,
): Promise<UnitOptions> {
  const { nodeUnit } = await import("./systemd_unit.ts");
  const file = resolve(flags.config);
  const { config, wanted, ...node } = await describeNode(
    { ...flags, config: file },
    { ...context, usualDataDir: "/var/lib/kat" },
  );
  const cacheDir = resolve(
    valueOf(flags.cacheDir, "KAT_CACHE_DIR", context) ?? SERVICE_CACHE,
  );
  const stateDir = resolve(
    valueOf(flags.stateDir, "KAT_STATE_DIR", context) ?? SERVICE_STATE,
  );
  const etcdBinary = valueOf(flags.etcdBinary, "KAT_ETCD_BINARY", context);
  return nodeUnit(config, {
    ...node,
    program: programOf(flags, context),
    file,
    cacheDir,
    stateDir,
    nodeName: wanted.nodeName,
    etcdBinary: etcdBinary && resolve(etcdBinary),
    logFormat: valueOf(flags.logFormat, "KAT_LOG_FORMAT", context),
    logLevel: valueOf(flags.logLevel, "KAT_LOG_LEVEL", context),
  });
}

/** The program to run: the one named, else this one, if it is one file. */
function programOf(
  { exec, dryRun }: InferValue<typeof installOptions>,
  { env }: Context,
): string {
  if (exec !== undefined) return resolve(exec);
  if (Deno.build.standalone) return Deno.execPath();
  // The portable form says where it is.
  if (env.KAT_PROGRAM) return resolve(env.KAT_PROGRAM);
  if (dryRun) return "/usr/local/bin/kat-agent";
  throw new KatError(
    "Cannot install a service: this kat-agent runs from its source",
    { hint: "Give a kat-agent in one file with --exec, or add --dry-run" },
  );
}
