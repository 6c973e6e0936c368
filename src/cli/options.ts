/**
 * Options that several commands share, and what their arguments may be.
 *
 * @module
 */

import { type Message, message, text } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import type { Parser, Suggestion } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import { choice, type ValueParser } from "@optique/core/valueparser";
import type { LogFormat } from "../base/logging/log_line.ts";

/** Any value, shown as `metavar` in help. */
export function anyText(metavar: string): ValueParser<"sync", string> {
  return {
    mode: "sync",
    metavar: metavar as "VALUE",
    placeholder: metavar,
    parse: (input: string) => ({ success: true, value: input }),
    format: (value: string) => value,
  };
}

/** A value that is not empty, shown as `metavar` in help. */
export function nonEmpty(metavar: string): ValueParser<"sync", string> {
  return {
    ...anyText(metavar),
    parse: (input: string) =>
      input === ""
        ? { success: false, error: message`the value is empty` }
        : { success: true, value: input },
  };
}

/** A path, which a shell can complete. */
export function path(
  metavar: string,
  type: "file" | "directory",
): ValueParser<"sync", string> {
  return {
    ...nonEmpty(metavar),
    *suggest(prefix: string): Iterable<Suggestion> {
      yield { kind: "file", pattern: prefix, type, includeHidden: true };
    },
  };
}

/** An option that may be left out. */
export type Setting<T = string> = Parser<"sync", T | undefined, unknown>;

/** The levels of the log, the lowest first. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
/** One of {@linkcode LOG_LEVELS}. */
export type LogLevel = typeof LOG_LEVELS[number];
/** The ways in which log lines can look. */
export const LOG_FORMATS: readonly LogFormat[] = ["text", "json"];

/** An option with a value, that may be left out. */
export function setting(
  name: `--${string}`,
  metavar: string,
  description: string,
): Setting {
  const value = metavar === "DIR"
    ? path(metavar, "directory")
    : metavar === "FILE"
    ? path(metavar, "file")
    : nonEmpty(metavar);
  return optional(option(name, value, {
    description: plainText(description),
  }));
}

/** A description without any mark-up. */
export function plainText(words: string): Message {
  return message`${text(words)}`;
}

/** `--data-dir`. */
export const dataDirOption: Setting = setting(
  "--data-dir",
  "DIR",
  "Where the node keeps its data. Default: /var/lib/kat for root, kat in $XDG_DATA_HOME or ~/.local/share for other users.",
);
/** `--data-dir` of a command that reads cluster.kat. */
export const newDataDirOption: Setting = setting(
  "--data-dir",
  "DIR",
  "Where the node keeps its data. Default: spec.dataDir in cluster.kat; without it, /var/lib/kat for root, kat in $XDG_DATA_HOME or ~/.local/share for other users.",
);
/** `--node-name`. */
export const nodeNameOption: Setting = setting(
  "--node-name",
  "NAME",
  "The name of the node, which is also its leader ID. Default: the host name.",
);
/** `--advertise-address`. */
export const advertiseAddressOption: Setting = setting(
  "--advertise-address",
  "IP",
  "The address at which the other nodes reach this one. Default: the one in --initial-cluster, or 127.0.0.1 without it.",
);
/** `--initial-cluster`. */
export const initialClusterOption: Setting = setting(
  "--initial-cluster",
  "NAME=URL,…",
  "All nodes with their peer URLs; the same on every node. Default: this node alone.",
);
/** `--etcd-binary`. */
export const etcdBinaryOption: Setting = setting(
  "--etcd-binary",
  "FILE",
  "Run this etcd instead of a downloaded one.",
);
/** `--cache-dir`. */
export const cacheDirOption: Setting = setting(
  "--cache-dir",
  "DIR",
  "Where downloaded releases are kept. Default: /var/cache/kat for root, kat in $XDG_CACHE_HOME or ~/.cache for other users.",
);
/** `--state-dir`. */
export const stateDirOption: Setting = setting(
  "--state-dir",
  "DIR",
  "Where it is noted, apart from the data, which nodes were made here. Default: /var/lib/kat-nodes for root, kat in $XDG_STATE_HOME or ~/.local/state for other users.",
);
/** `--endpoints`. */
export const endpointsOption: Setting = setting(
  "--endpoints",
  "URL,…",
  "The client URLs of an etcd that runs already.",
);
/** `--log-format`. */
export const logFormatOption: Setting<LogFormat> = optional(
  option("--log-format", choice(LOG_FORMATS, { metavar: "FORMAT" }), {
    description: plainText("How log lines look: text or json. Default: text."),
  }),
);
/** `--log-level`. */
export const logLevelOption: Setting<LogLevel> = optional(
  option(
    "--log-level",
    choice(LOG_LEVELS, { metavar: "LEVEL" }),
    {
      description: plainText(
        "The lowest level to log: debug, info, warning or error. Default: info.",
      ),
    },
  ),
);
