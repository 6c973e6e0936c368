/**
 * `kat-agent store`: reads keys of the store.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { map } from "@optique/core/modifiers";
import { argument } from "@optique/core/primitives";
import { toJson } from "../base/escape_controls.ts";
import { ExitCode, KatError } from "../base/errors.ts";
import type { KV, StateStore } from "../store/state_store.ts";
import type { Command, Context } from "./command.ts";
import {
  anyText,
  dataDirOption,
  endpointsOption,
  nonEmpty,
  plainText,
} from "./options.ts";
import { openStore, type TargetFlags } from "./target.ts";

const target = { dataDir: dataDirOption, endpoints: endpointsOption };

const getCommand: Command = {
  name: "get",
  summary: "Print the value of a key",
  description:
    "Prints the value as it is, without a line break after it. On a terminal, its control characters are printed as \\uXXXX. The exit code is 1 if there is no such key.",
  examples: ["kat-agent store get /kat/config/cluster_uid"],
  parser: map(
    object({
      ...target,
      key: argument(nonEmpty("KEY"), { description: plainText("The key.") }),
    }),
    ({ key, ...flags }) =>
      withStore(flags, async (store, { stdoutBytes, signal }) => {
        const kv = await store.get(key, { signal });
        if (kv === undefined) {
          throw new KatError(`Cannot find "${key}" in the store`, {
            hint: "To see the keys that exist: kat-agent store list PREFIX",
          });
        }
        await stdoutBytes(kv.value);
      }),
  ),
};

const listCommand: Command = {
  name: "list",
  summary: "Print the keys that start with a prefix",
  description:
    "Prints a line for each key: its version, the key, and its value as JSON text. An empty prefix means all keys.",
  examples: ["kat-agent store list /kat/", "kat-agent store list ''"],
  parser: map(
    object({
      ...target,
      prefix: argument(anyText("PREFIX"), {
        description: plainText("The start of the keys."),
      }),
    }),
    ({ prefix, ...flags }) =>
      withStore(flags, async (store, { stdout, signal }) => {
        const lines = (await store.list(prefix, { signal })).map(line);
        await stdout(lines.join(""));
      }),
  ),
};

const watchCommand: Command = {
  name: "watch",
  summary: "Print changes as they happen",
  description:
    "Prints a line for each change from now on, until it is stopped: put or delete, the version, the key, and its value as JSON text.",
  examples: ["kat-agent store watch /kat/leader_election/"],
  parser: map(
    object({
      ...target,
      prefix: argument(anyText("KEY|PREFIX/"), {
        description: plainText("A key, or a prefix if it ends in /."),
      }),
    }),
    ({ prefix, ...flags }) =>
      withStore(flags, async (store, { stdout, signal }) => {
        const watch = await store.watch(prefix, { signal });
        for await (const { type, kv } of watch) {
          await stdout(`${type}\t${line(kv)}`);
        }
      }),
  ),
};

/** See `kat-agent help store`. */
export const storeCommand: Command = {
  name: "store",
  summary: "Read keys of the store",
  description:
    "Reads the store of the node in the data directory, or of the etcd at --endpoints.",
  examples: ["kat-agent store list /kat/"],
  parser: [getCommand, listCommand, watchCommand],
};

function withStore(
  flags: TargetFlags,
  look: (store: StateStore, context: Context) => Promise<void>,
): (context: Context) => Promise<ExitCode> {
  return async (context) => {
    await using store = await openStore(flags, context);
    await look(store, context);
    return ExitCode.ok;
  };
}

/** A version, a key and a value on one line, whatever they hold. */
function line({ key, value, version }: KV): string {
  const text = new TextDecoder().decode(value);
  return `${version}\t${toJson(key)}\t${toJson(text)}\n`;
}
