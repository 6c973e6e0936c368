/**
 * Where an agent keeps its data if neither a flag nor cluster.kat says.
 *
 * @module
 */

import { absolutePath } from "./absolute_path.ts";

/** What {@linkcode defaultDataDir} looks at. */
export interface DefaultDataDirOptions {
  /** The user's ID; null where the system has none. */
  readonly uid: number | null;
  /** The environment: `HOME` and `XDG_DATA_HOME` are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
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
