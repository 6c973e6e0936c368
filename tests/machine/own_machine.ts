/**
 * A machine of a test's own, as far as namespaces make one: its host name, its
 * routes, and the directories that root's programs write to.
 *
 * @module
 */

/** Where the directory of such a machine is there: every directory above is root's. */
export const AT = "/mnt";
/** Found by the runtime whatever the agent's home is. */
const DENO_DIR = Deno.env.get("DENO_DIR") ??
  `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`;

/** Options of {@linkcode ownMachine}. */
export interface OwnMachineOptions {
  /** Its host name. @default {"nas"} */
  readonly host?: string;
  /** Networks that it has routes to. @default {[]} */
  readonly routes?: readonly string[];
  /** Whether commands run as an ordinary user, to whom root's files seem to be theirs. @default {false} */
  readonly isOrdinary?: boolean;
  /** A directory that cannot be written to, as it is called there. */
  readonly readOnly?: string;
  /** Where commands run. @default {AT} */
  readonly cwd?: string;
}

/**
 * What, put before a command, runs it there; `/etc` and `/var` are directories
 * in `dir`, which stay, and it is {@linkcode AT}.
 */
export async function ownMachine(
  dir: string,
  { host = "nas", routes = [], isOrdinary, readOnly, cwd = AT }:
    OwnMachineOptions = {},
): Promise<string[]> {
  for (const name of ["etc", "var", "var/lib", "home", "cache"]) {
    await Deno.mkdir(`${dir}/${name}`, { recursive: true, mode: 0o755 });
  }
  const script = [
    "set -e",
    'mount --bind "$1/etc" /etc',
    'mount --bind "$1/var" /var',
    `mount --bind "$1" ${AT}`,
    "ip link set lo up",
    'printf %s "$2" > /proc/sys/kernel/hostname',
    ...routes.map((route) => `ip route add blackhole ${route}`),
    ...(readOnly === undefined ? [] : [
      `mount --bind '${readOnly}' '${readOnly}'`,
      `mount -o remount,bind,ro '${readOnly}'`,
    ]),
    'cd "$3"',
    'export DENO_DIR="$4"',
    "shift 4",
    isOrdinary
      ? 'exec unshare --user --map-user=1000 --map-group=1000 -- "$@"'
      : 'exec "$@"',
  ];
  return [
    ...["unshare", "--mount", "--uts", "--net", "--propagation=private"],
    ...["sh", "-c", script.join("\n"), "sh", dir, host, cwd, DENO_DIR],
  ];
}

/** Why there can be no such machine here; `undefined` if there can. */
export async function whyNoOwnMachine(): Promise<string | undefined> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    return "only root on Linux may make namespaces";
  }
  const dir = await Deno.makeTempDir();
  try {
    const [command = "", ...args] = await ownMachine(dir, { isOrdinary: true });
    const { success, stderr } = await new Deno.Command(command, {
      args: [...args, "true"],
    }).output();
    return success ? undefined : new TextDecoder().decode(stderr);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
