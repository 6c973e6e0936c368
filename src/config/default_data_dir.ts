/**
 * Where an agent keeps its data if neither a flag nor cluster.kat says, and
 * where cluster.kat is if no flag says.
 *
 * @module
 */

import { absolutePath } from "./absolute_path.ts";

/** What {@linkcode defaultDataDir} looks at. */
export interface DefaultDataDirOptions {
  /** The user's ID; null where the system has none. */
  readonly uid: number | null;
  /** The environment: `HOME` and the directories of XDG are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Where a user's cluster.kat is if it is not in the current directory:
 * `/etc/kat/cluster.kat` for root, else `kat/cluster.kat` under
 * `$XDG_CONFIG_HOME` or `$HOME/.config`; undefined when neither names an
 * absolute path.
 */
export function defaultClusterFile(
  { uid, env }: DefaultDataDirOptions,
): string | undefined {
  if (uid === 0) return "/etc/kat/cluster.kat";
  const { HOME, XDG_CONFIG_HOME } = env;
  return under(XDG_CONFIG_HOME, "kat/cluster.kat") ??
    under(HOME, ".config/kat/cluster.kat");
}

/**
 * Returns `/var/lib/kat` for root, else `kat` under `$XDG_DATA_HOME` or
 * `$HOME/.local/share`; undefined when neither names an absolute path.
 */
export function defaultDataDir(
  { uid, env }: DefaultDataDirOptions,
): string | undefined {
  if (uid === 0) return "/var/lib/kat";
  const { HOME, XDG_DATA_HOME } = env;
  return under(XDG_DATA_HOME, "kat") ?? under(HOME, ".local/share/kat");
}

/** A relative base is ignored, as the XDG specification asks. */
function under(base: string | undefined, name: string): string | undefined {
  if (!base) return undefined;
  const checked = absolutePath.check(`${base}/${name}`);
  return "value" in checked ? checked.value : undefined;
}
