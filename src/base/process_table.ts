/**
 * What the machine knows about other processes: `/proc` on Linux, `ps`
 * elsewhere, both asked through small standard programs.
 *
 * Deno opens `/proc` only to programs that may do everything, which the agent
 * may not. It may start programs until it has what it needs; where it may no
 * longer, or where there is no shell, nothing is known of other processes.
 *
 * All of it may be gone or another's the moment after: whoever acts on a
 * process compares its start time, which no two owners of a pid share.
 *
 * @module
 */

import { basename } from "node:path";

/** A process as it was when looked at. */
export interface ProcessInfo {
  /** Its number; given to another process once this one has ended. */
  readonly pid: number;
  /** When it started; to be compared, not to be read. */
  readonly startTime: string;
  /** Its command line; where there is no `/proc`, split at every blank. */
  readonly args: readonly string[];
  /** Its environment as `NAME=value`; empty where it may not be read. */
  readonly environment: readonly string[];
}

/** Whether processes are found under `/proc`. */
export const HAS_PROC = Deno.build.os === "linux";

/** Where the standard programs are: what the user's own PATH says does not matter. */
const PATH = "/usr/bin:/bin:/usr/sbin:/sbin";

/**
 * Returns what is known of a process, or undefined if it has ended (zombies
 * included). One that is killed has not ended before its last thread, which
 * may be waiting for the disk: until then its files are open and locked.
 *
 * @throws {Error} if processes cannot be looked at here.
 */
export function findProcess(pid: number): Promise<ProcessInfo | undefined> {
  return HAS_PROC ? findInProc(pid) : findWithPs(pid);
}

/** {@linkcode findProcess} for who must be done before the program ends; this thread stands still meanwhile. */
export function findProcessSync(pid: number): ProcessInfo | undefined {
  return HAS_PROC
    ? readProc(pid, askSync(...shell(PROC_SCRIPT, String(pid), SEPARATOR)))
    : readPs(pid, askSync(...ps(pid)));
}

/** The name of a process's program, for messages. */
export function programName({ args }: ProcessInfo): string {
  return basename(args[0] ?? "") || "unknown";
}

/**
 * Finds the processes that have a file open, named as `/proc/PID/fd` names it:
 * a path, or `socket:[INODE]`. None where that cannot be known, as for the
 * processes of other users.
 */
export async function* processesByOpenFile(
  link: string,
): AsyncGenerator<ProcessInfo> {
  if (!HAS_PROC) return;
  const said = await askOrNothing(
    // Too many for one command line: xargs makes as many as it takes. Owners as
    // numbers, or a name service might be asked for their names.
    `printf '%s\\n' /proc/[0-9]*/fd/* | xargs ls -ln | grep -F -e " -> $1"`,
    link,
  );
  const pids = new Set<number>();
  for (
    const [, pid, target] of said.matchAll(/ \/proc\/(\d+)\/fd\/\d+ -> (.*)$/gm)
  ) {
    if (target === link) pids.add(Number(pid));
  }
  for (const pid of pids) {
    const info = await findProcess(pid);
    if (info !== undefined) yield info;
  }
}

/** Whether a path names the same file to another process; true where that cannot be known. */
export async function seesSameFile(
  pid: number,
  path: string,
): Promise<boolean> {
  if (!HAS_PROC) return true;
  // Neither is there yet, or any more, also of an etcd that has just begun.
  const said = await askOrNothing(
    `theirs=/proc/$1/root$2
    if [ "$theirs" -ef "$2" ] || { [ ! -e "$theirs" ] && [ ! -e "$2" ]; }
    then echo same
    fi`,
    String(pid),
    path,
  );
  return said === "same\n";
}

/** Whether a process runs the very file at `path`; true where that cannot be known. */
export async function runsProgram(pid: number, path: string): Promise<boolean> {
  if (!HAS_PROC) return true;
  const said = await askOrNothing(
    `if [ "/proc/$1/exe" -ef "$2" ]; then echo same; fi`,
    String(pid),
    path,
  );
  return said === "same\n";
}

/** The sockets of IPv4 and IPv6 as `/proc/net` lists them, with headings in between; "" where it does not. */
export async function listTcpSockets(): Promise<string> {
  return HAS_PROC ? await askOrNothing("cat /proc/net/tcp /proc/net/tcp6") : "";
}

/** What a process writes into its files cannot be taken for this. */
const SEPARATOR = crypto.randomUUID();
/** From inside its directory, which no later owner of the pid gets. */
const PROC_SCRIPT = `cd "/proc/$1" || exit
  for file in stat cmdline environ; do cat $file; printf %s "$2"; done`;

async function findInProc(pid: number): Promise<ProcessInfo | undefined> {
  return readProc(pid, await askShell(PROC_SCRIPT, String(pid), SEPARATOR));
}

function readProc(pid: number, said: string): ProcessInfo | undefined {
  const [stat = "", args = "", environment = ""] = said.split(SEPARATOR);
  // "pid (name) state …": the name may hold anything, also spaces and brackets.
  // After it come fields 3 (state), 20 (threads) and 22 (start time).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  const threads = Number(fields[17]);
  const startTime = fields[19];
  const hasEnded = state === "X" || (state === "Z" && threads <= 1);
  if (hasEnded || startTime === undefined) return undefined;
  return {
    pid,
    startTime,
    args: splitStrings(args),
    environment: splitStrings(environment),
  };
}

/** Strings that each end in a NUL. */
function splitStrings(text: string): readonly string[] {
  return text.split("\0").filter((part) => part !== "");
}

const PS_LINE_REGEXP = /^\s*(\S+)\s+(\S+ \S+ +\d+ [\d:]+ \d+)\s+(.*)$/m;

/** Exported for tests on machines that have `/proc` as well. */
export async function findWithPs(
  pid: number,
): Promise<ProcessInfo | undefined> {
  return readPs(pid, await ask(...ps(pid)));
}

function ps(pid: number): Command {
  return [
    "ps",
    ["-ww", "-o", "stat=,lstart=,command=", "-p", String(pid)],
  ];
}

function readPs(pid: number, said: string): ProcessInfo | undefined {
  const [, state, startTime, command] = PS_LINE_REGEXP.exec(said) ?? [];
  if (
    state === undefined || startTime === undefined || command === undefined ||
    state.startsWith("Z")
  ) {
    return undefined;
  }
  return { pid, startTime, args: command.split(" "), environment: [] };
}

/** What a script says; nothing where none can be run, or none may. */
async function askOrNothing(
  script: string,
  ...args: readonly string[]
): Promise<string> {
  return await askShell(script, ...args).catch(() => "");
}

/** Runs a script of the shell, with `args` as `$1`, `$2`, …. */
function askShell(script: string, ...args: readonly string[]): Promise<string> {
  return ask(...shell(script, ...args));
}

function shell(script: string, ...args: readonly string[]): Command {
  return ["sh", ["-c", script, "sh", ...args]];
}

/** A standard program and its arguments. */
type Command = readonly [program: string, args: readonly string[]];

/** Runs a standard program; what it could not read, it does not say. */
async function ask(...command: Command): Promise<string> {
  const [program] = command;
  assertMayRun(await Deno.permissions.query({ name: "run", command: program }));
  return textOf(await prepare(command).output());
}

function askSync(...command: Command): string {
  const [program] = command;
  assertMayRun(Deno.permissions.querySync({ name: "run", command: program }));
  return textOf(prepare(command).outputSync());
}

/** To try without the permission would ask whoever sits at the terminal. */
function assertMayRun({ state }: Deno.PermissionStatus): void {
  if (state === "granted") return;
  throw new Deno.errors.NotCapable("No permission to look at processes");
}

function prepare([program, args]: Command): Deno.Command {
  return new Deno.Command(program, {
    args: [...args],
    clearEnv: true,
    env: { PATH, LC_ALL: "C" },
    stdin: "null",
    stderr: "null",
  });
}

function textOf({ stdout }: Deno.CommandOutput): string {
  return new TextDecoder().decode(stdout);
}
