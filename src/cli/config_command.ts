/**
 * `kat-agent config`: checks a cluster.kat, shows it with its defaults, or writes
 * a new one.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { map, optional } from "@optique/core/modifiers";
import { argument } from "@optique/core/primitives";
import { escapeControls } from "../base/escape_controls.ts";
import { ExitCode, KatError } from "../base/errors.ts";
import type { ClusterConfig } from "../config/cluster_config.ts";
import type { Command, Context } from "./command.ts";
import { usualDataDir } from "./flag_values.ts";
import { path, plainText } from "./options.ts";

const options = object({
  file: argument(path("FILE", "file"), {
    description: plainText("The cluster.kat to read."),
  }),
});

const validateCommand: Command = {
  name: "validate",
  summary: "Check a cluster.kat",
  description:
    "Prints each error of the file with its line, column and field. The exit code is 0 if the file is valid, and 78 if it is not.",
  examples: ["kat-agent config validate cluster.kat"],
  parser: map(options, ({ file }) => async (context) => {
    const { name } = await readConfig(file, context);
    await context.stdout(
      `${escapeControls(file)} is valid: cluster "${name}"\n`,
    );
    return ExitCode.ok;
  }),
};

const showCommand: Command = {
  name: "show",
  summary: "Print a cluster.kat with its defaults filled in",
  description:
    "Prints the file as YAML, with the defaults filled in. Fields that are missing in spec.etcd stay so: the agent chooses their values.",
  examples: ["kat-agent config show cluster.kat"],
  parser: map(options, ({ file }) => async (context) => {
    const config = await readConfig(file, context);
    const { showClusterConfig } = await import(
      "../config/show_cluster_config.ts"
    );
    await context.stdout(showClusterConfig(config));
    return ExitCode.ok;
  }),
};

const newCommand: Command = {
  name: "new",
  summary: "Write a cluster.kat to start from, or print it",
  description:
    "Makes a cluster.kat with comments, named after the host, and with two networks that no route of this machine leads to. Without FILE, or with -, it is printed. A file that is there is not changed.",
  examples: [
    "kat-agent config new",
    "kat-agent config new /etc/kat/cluster.kat",
  ],
  parser: map(
    object({
      file: optional(argument(path("FILE", "file"), {
        description: plainText("The file to write; it must not exist yet."),
      })),
    }),
    ({ file }) => async (context) => {
      const { newText, writeNewFile } = await import("./find_cluster_file.ts");
      const text = await newText();
      if (file === undefined || file === "-") {
        await context.stdout(text);
        return ExitCode.ok;
      }
      await writeNewFile(file, text).catch((cause) => {
        if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
        throw new KatError(
          `Cannot write ${JSON.stringify(file)}: it exists already`,
          { cause, hint: "Give another name, or move it away first" },
        );
      });
      await context.stdout(`Wrote ${escapeControls(file)}\n`);
      return ExitCode.ok;
    },
  ),
};

/** See `kat-agent help config`. */
export const configCommand: Command = {
  name: "config",
  summary: "Check, show or write a cluster.kat",
  description: "Reads a cluster.kat, or writes a new one.",
  examples: ["kat-agent config validate cluster.kat"],
  parser: [validateCommand, showCommand, newCommand],
};

/**
 * Reads a cluster.kat that need not be this node's.
 *
 * @throws {ConfigError} if something in it is wrong.
 */
export async function readConfig(
  file: string,
  context: Context,
): Promise<ClusterConfig> {
  const { readClusterConfig } = await import(
    "../config/read_cluster_config.ts"
  );
  return await readClusterConfig(file, {
    defaultDataDir: usualDataDir(context) ?? "/var/lib/kat",
  });
}
