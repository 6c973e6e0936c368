/**
 * The value of a flag: from the command line, else from the variable of the
 * same name, else a default.
 *
 * @module
 */

import { hostname } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { KatError, UsageError } from "../base/errors.ts";
import { defaultDataDir } from "../config/default_data_dir.ts";
import type { Context } from "./command.ts";

/** The cache of root, which every user may read. */
export const SYSTEM_CACHE = "/var/cache/kat";
/** The cache of the service, which its user may write to: root believes nothing in it. */
export const SERVICE_CACHE = "/var/cache/kat-agent";

/** Where root notes which nodes there are. */
export const SYSTEM_STATE = "/var/lib/kat-nodes";
/** Where the service notes that; its user may write to it. */
export const SERVICE_STATE = "/var/lib/kat-agent";

/** A flag's value, else the variable's. An empty variable counts as none. */
export function valueOf(
  flag: string | undefined,
  variable: `KAT_${string}`,
  { env }: Pick<Context, "env">,
): string | undefined {
  return flag ?? (env[variable] || undefined);
}

/** `--data-dir` or `KAT_DATA_DIR`, made absolute; `undefined` if neither was given. */
export function givenDataDir(
  flag: string | undefined,
  context: Context,
): string | undefined {
  const given = valueOf(flag, "KAT_DATA_DIR", context);
  return given === undefined ? undefined : absolute(given, "--data-dir");
}

/** The data directory when no file says otherwise. */
export function usualDataDir({ env }: Context): string | undefined {
  return defaultDataDir({ uid: Deno.uid(), env });
}

/**
 * The data directory of a node that exists.
 *
 * @throws {UsageError} if there is no default for this user.
 */
export function existingDataDir(
  flag: string | undefined,
  context: Context,
): string {
  const path = givenDataDir(flag, context) ?? usualDataDir(context);
  if (path !== undefined) return path;
  throw new UsageError("Cannot tell the data directory: HOME is not set", {
    hint: "Give --data-dir DIR",
  });
}

/** `--cache-dir`, `KAT_CACHE_DIR`, or where this user's caches belong; without a home, beside the data. */
export function cacheDir(
  flag: string | undefined,
  context: Context & { readonly dataDir?: string | undefined },
): string {
  const given = valueOf(flag, "KAT_CACHE_DIR", context);
  if (given !== undefined) return absolute(given, "--cache-dir");
  if (Deno.uid() === 0) return SYSTEM_CACHE;
  const { XDG_CACHE_HOME, HOME } = context.env;
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) {
    return join(XDG_CACHE_HOME, "kat");
  }
  if (HOME && isAbsolute(HOME)) return join(HOME, ".cache", "kat");
  if (context.dataDir !== undefined) return join(context.dataDir, "cache");
  throw new UsageError("Cannot tell the cache directory: HOME is not set", {
    hint: "Give --cache-dir DIR",
  });
}

/** `--state-dir`, `KAT_STATE_DIR`, or where this user's programs keep such things; `undefined` without a home. */
export function stateDir(
  flag: string | undefined,
  context: Pick<Context, "env">,
): string | undefined {
  const given = valueOf(flag, "KAT_STATE_DIR", context);
  if (given !== undefined) return absolute(given, "--state-dir");
  if (Deno.uid() === 0) return SYSTEM_STATE;
  const { XDG_STATE_HOME, HOME } = context.env;
  if (XDG_STATE_HOME && isAbsolute(XDG_STATE_HOME)) {
    return join(XDG_STATE_HOME, "kat");
  }
  return HOME && isAbsolute(HOME) ? join(HOME, ".local/state/kat") : undefined;
}

/**
 * `--node-name`, `KAT_NODE_NAME` or a name out of the host's.
 *
 * @throws {UsageError} if the one that was given is no name for a node.
 */
export async function nodeName(
  flag: string | undefined,
  context: Context,
): Promise<string> {
  const { parseNodeName } = await import("../config/node_settings.ts");
  const { nodeNameOf } = await import("../config/host_names.ts");
  const given = valueOf(flag, "KAT_NODE_NAME", context);
  return given === undefined ? nodeNameOf(hostname()) : parseNodeName(given);
}

/**
 * `--endpoints` or `KAT_ENDPOINTS`; `undefined` if neither was given.
 *
 * @throws {UsageError} if one of the URLs is wrong.
 */
export async function givenEndpoints(
  flag: string | undefined,
  context: Context,
): Promise<readonly string[] | undefined> {
  const given = valueOf(flag, "KAT_ENDPOINTS", context);
  if (given === undefined) return undefined;
  const { parseEndpoints } = await import("../config/node_settings.ts");
  return parseEndpoints(given);
}

function absolute(path: string, flag: string): string {
  if (path.includes("\0")) {
    throw new UsageError(`Cannot use ${flag}: it holds a NUL character`);
  }
  try {
    return resolve(path);
  } catch (error) {
    throw new KatError(
      `Cannot resolve ${flag} "${path}": the current directory is gone`,
      { cause: error, hint: "Give an absolute path" },
    );
  }
}
