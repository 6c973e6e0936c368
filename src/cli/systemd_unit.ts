/**
 * The systemd unit of a node: pure.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
import type { ClusterConfig } from "../config/cluster_config.ts";

/** The unit's name. */
export const UNIT_NAME = "kat-agent.service";
/** Where it is installed. */
export const UNIT_PATH = `/etc/systemd/system/${UNIT_NAME}`;
/** The system user that the agent and etcd run as. */
export const SERVICE_USER = "kat";
/** The first line of a unit that may be replaced and removed. */
export const UNIT_MARKER =
  '# Made by "kat-agent systemd install", which replaces it; "uninstall" removes it.';

/** What a unit is made from. */
export interface UnitOptions {
  /** `metadata.name` of cluster.kat. */
  readonly clusterName: string;
  /** The agent's program; absolute. */
  readonly program: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Files that it reads besides its program; absolute. */
  readonly reads: readonly string[];
  /** Directories that it keeps; absolute. */
  readonly writes: readonly string[];
  /** The systemd that is to read it, as 252; the oldest that will do if unknown. */
  readonly systemdVersion?: number | undefined;
}

/** Directories that a reboot empties, or of which each service sees its own. */
const TEMPORARY = ["/tmp", "/var/tmp", "/run", "/dev", "/proc", "/sys"];
/** What the service sees only if its unit names it. */
const HOMES = ["/home", "/root"];
/** The first systemd with RestartSteps= and RestartMaxDelaySec=. */
const GROWING_PAUSES = 254;

/** A node as its service is to run it; each is a flag of `init`, with paths absolute. */
export interface NodeService {
  /** The agent's program. */
  readonly program: string;
  /** cluster.kat. */
  readonly file: string;
  /** `--data-dir`. */
  readonly dataDir: string;
  /** `--cache-dir`. */
  readonly cacheDir: string;
  /** `--state-dir`. */
  readonly stateDir: string;
  /** `--node-name`: written down, for a host name may change and a node's name may not. */
  readonly nodeName: string;
  /** `--advertise-address`, if given. */
  readonly advertiseAddress?: string | undefined;
  /** `--initial-cluster`, if given. */
  readonly initialCluster?: string | undefined;
  /** `--etcd-binary`, if given. */
  readonly etcdBinary?: string | undefined;
  /** `--log-format`, if given. */
  readonly logFormat?: string | undefined;
  /** `--log-level`, if given. */
  readonly logLevel?: string | undefined;
}

/** What the unit of a node is made from. */
export function nodeUnit(
  { name, spec }: ClusterConfig,
  node: NodeService,
): UnitOptions {
  const flags = [
    ["--config", node.file],
    ["--data-dir", node.dataDir],
    ["--cache-dir", node.cacheDir],
    ["--state-dir", node.stateDir],
    ["--node-name", node.nodeName],
    ["--advertise-address", node.advertiseAddress],
    ["--initial-cluster", node.initialCluster],
    ["--etcd-binary", node.etcdBinary],
    ["--log-format", node.logFormat],
    ["--log-level", node.logLevel],
  ].filter((pair): pair is [string, string] => pair[1] !== undefined);
  return {
    clusterName: name,
    program: node.program,
    args: ["init", ...flags.flat()],
    reads: [node.file, node.etcdBinary ?? spec.etcd.binary]
      .filter((path) => path !== undefined),
    writes: [node.dataDir, spec.backupPath, node.cacheDir, node.stateDir],
  };
}

/**
 * Returns the text of the unit.
 *
 * @throws {KatError} if the service could not reach one of the paths.
 */
export function systemdUnit(options: UnitOptions): string {
  const { program, args, reads } = options;
  const writes = outermost(options.writes);
  for (const path of [program, ...reads, ...writes]) refusePath(path);
  refuseProgram(program);
  const pauses = (options.systemdVersion ?? 0) >= GROWING_PAUSES
    ? [["RestartSec", "1"], ["RestartSteps", "8"], [
      "RestartMaxDelaySec",
      "60",
    ]]
    : [["RestartSec", "5"]];
  const sections = {
    Unit: [
      ["Description", `KAT agent of the cluster ${options.clusterName}`],
      ["Wants", "network-online.target"],
      ["After", "network-online.target"],
      // Without its disk the node would begin anew on an empty directory.
      ["RequiresMountsFor", words([...writes, ...reads, program])],
      ["StartLimitIntervalSec", "0"],
    ],
    Service: [
      ["Type", "notify"],
      ["NotifyAccess", "main"],
      ["ExecStart", commandLine(program, args)],
      ["User", SERVICE_USER],
      ["Group", SERVICE_USER],
      ["UMask", "0077"],
      ["SyslogIdentifier", "kat-agent"],
      ["KillMode", "mixed"],
      ["Restart", "on-failure"],
      ...pauses,
      ["RestartPreventExitStatus", "2 78"],
      ["TimeoutStartSec", "180"],
      // Resigning takes a moment, etcd's own stop up to its grace of 10 s.
      ["TimeoutStopSec", "30"],
      ["WatchdogSec", "60"],
      ["LimitNOFILE", "65536"],
      ["LimitCORE", "0"],
      ["OOMScoreAdjust", "-500"],
      ...directories(writes),
      ...homes(writes, [program, ...reads]),
      ...HARDENING,
    ],
    Install: [["WantedBy", "multi-user.target"]],
  };
  const text = Object.entries(sections).map(([name, settings]) =>
    `[${name}]\n` + settings.map(([key, value]) => `${key}=${value}\n`).join("")
  );
  return `${UNIT_MARKER}\n# Make changes with: systemctl edit kat-agent\n\n` +
    text.join("\n");
}

/** Everything that V8 and etcd do without. V8 compiles at run time: no MemoryDenyWriteExecute. */
const HARDENING: readonly (readonly [string, string])[] = [
  ["NoNewPrivileges", "yes"],
  ["CapabilityBoundingSet", ""],
  ["AmbientCapabilities", ""],
  ["ProtectSystem", "strict"],
  ["PrivateTmp", "yes"],
  ["PrivateDevices", "yes"],
  ["PrivateUsers", "yes"],
  ["ProtectProc", "invisible"],
  ["ProtectClock", "yes"],
  ["ProtectControlGroups", "yes"],
  ["ProtectHostname", "yes"],
  ["ProtectKernelLogs", "yes"],
  ["ProtectKernelModules", "yes"],
  ["ProtectKernelTunables", "yes"],
  ["RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"],
  ["RestrictNamespaces", "yes"],
  ["RestrictRealtime", "yes"],
  ["RestrictSUIDSGID", "yes"],
  ["LockPersonality", "yes"],
  ["RemoveIPC", "yes"],
  ["KeyringMode", "private"],
  ["SystemCallArchitectures", "native"],
  ["SystemCallFilter", "@system-service"],
  ["SystemCallFilter", "~@privileged @resources"],
  ["SystemCallErrorNumber", "EPERM"],
];

/** What systemd makes and hands to the user; what it only opens to it, the installer has made. */
function directories(
  writes: readonly string[],
): (readonly [string, string])[] {
  const state = writes.map((path) => nameUnder("/var/lib", path));
  const cache = writes.map((path) => nameUnder("/var/cache", path));
  const others = installed(writes);
  return [
    ...setting("StateDirectory", state),
    ...setting("StateDirectoryMode", state.some(Boolean) ? ["0700"] : []),
    ...setting("CacheDirectory", cache),
    ...setting("ReadWritePaths", others.map(word)),
  ];
}

/** The directories that systemd does not make itself: they must be there before the service starts. */
export function installed(writes: readonly string[]): string[] {
  return outermost(writes).filter((path) => !isMade(path));
}

/** Those that it makes, and hands to the service with all that it finds in them. */
export function made(writes: readonly string[]): string[] {
  return outermost(writes).filter(isMade);
}

function isMade(path: string): boolean {
  return nameUnder("/var/lib", path) !== undefined ||
    nameUnder("/var/cache", path) !== undefined;
}

function homes(
  writes: readonly string[],
  reads: readonly string[],
): (readonly [string, string])[] {
  const hidden = (path: string) => HOMES.some((home) => isUnder(home, path));
  if (![...writes, ...reads].some(hidden)) return [["ProtectHome", "yes"]];
  return [
    ["ProtectHome", "tmpfs"],
    ...setting("BindPaths", writes.filter(hidden).map(quoted)),
    ...setting("BindReadOnlyPaths", reads.filter(hidden).map(quoted)),
  ];
}

function setting(
  name: string,
  values: readonly (string | undefined)[],
): (readonly [string, string])[] {
  const set = values.filter((value) => value !== undefined);
  return set.length === 0 ? [] : [[name, set.join(" ")]];
}

function refusePath(path: string): void {
  if (/\p{Cc}/u.test(path)) {
    // Most settings of a unit know no escape sequence for them.
    throw new KatError(
      `Cannot make a service that uses ${
        JSON.stringify(path)
      }: it has a control character`,
      { hint: "Give it another name" },
    );
  }
  const where = TEMPORARY.find((directory) => isUnder(directory, path));
  if (where === undefined) return;
  throw new KatError(
    `Cannot make a service that uses "${path}": ${where} is emptied, or its own for each service`,
    { hint: "Move it to a lasting place, such as /etc/kat or /usr/local/bin" },
  );
}

/** systemd takes no such program, however it is quoted. */
function refuseProgram(program: string): void {
  if (!/["'\\]/.test(program)) return;
  throw new KatError(
    `Cannot make a service that runs ${
      JSON.stringify(program)
    }: systemd starts no program whose path has a quote or a backslash`,
    { hint: "Move it to a plain place, such as /usr/local/bin" },
  );
}

/** Paths that lie in no other of them. */
function outermost(paths: readonly string[]): string[] {
  return [...new Set(paths)].filter((path) =>
    !paths.some((other) => other !== path && isUnder(other, path))
  );
}

function isUnder(directory: string, path: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

/** The name that StateDirectory= and its like take; they know no quotes. */
function nameUnder(directory: string, path: string): string | undefined {
  const name = path.slice(directory.length + 1);
  return path.startsWith(`${directory}/`) && /^[\w./-]+$/.test(name)
    ? name
    : undefined;
}

/** A flag and its value share a line. */
function commandLine(program: string, args: readonly string[]): string {
  const rest = args.map((arg) =>
    (arg.startsWith("--") ? " \\\n  " : " ") +
    word(arg.replaceAll("$", "$$$$"))
  );
  return word(program) + rest.join("");
}

function words(paths: readonly string[]): string {
  return [...new Set(paths)].map(word).join(" ");
}

/** One word as unit files have it: no specifiers, quoted where need be. */
function word(text: string): string {
  return /^[\w@%+=:,./$-]+$/.test(text)
    ? text.replaceAll("%", "%%")
    : quoted(text);
}

/** The same, always quoted: outside of quotes, a colon ends a path that is mounted. */
function quoted(text: string): string {
  const inner = text.replaceAll("%", "%%").replace(/["\\]/g, "\\$&").replace(
    /\p{Cc}/gu,
    (control) =>
      `\\x${(control.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`,
  );
  return `"${inner}"`;
}
