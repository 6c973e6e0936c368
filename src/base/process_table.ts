/**
 * Finds other processes of this machine: in `/proc` on Linux, with `ps` on
 * other systems. Where no program may be started, or there is no shell, no
 * process is found.
 *
 * Every answer may be out of date a moment later. Before it acts on a process,
 * a caller compares the start time: two processes that had the same pid differ
 * in it.
 *
 * @module
 */

import { basename } from "node:path";
import { runScript, runScriptSync } from "./run_script.ts";

/** A process at the moment when it was read. */
export interface ProcessInfo {
  /** Its number; given to another process once this one has ended. */
  readonly pid: number;
  /** When it started; for comparing only. */
  readonly startTime: string;
  /** Its command line; where there is no `/proc`, split at every blank. */
  readonly args: readonly string[];
  /** Its environment as `NAME=value`; empty where it may not be read. */
  readonly environment: readonly string[];
}

/** Whether processes are found under `/proc`. */
export const HAS_PROC = Deno.build.os === "linux";

/**
 * Prints the state, the command line and the environment of process `$1`, each
 * followed by the separator `$2`. It reads from inside the process's directory,
 * which no later process with the same pid gets.
 */
const READ_PROCESS = `
  cd "/proc/$1" || exit
  for file in stat cmdline environ
  do
    cat $file
    printf %s "$2"
  done`;

/** Prints the state, the start time and the command line of process `$1`. */
const READ_PROCESS_WITH_PS = 'ps -ww -o stat=,lstart=,command= -p "$1"';

/**
 * Prints the open files of all processes that lead to `$1`. They are too many
 * for one command line, so xargs makes several. Owners come as numbers, because
 * the names might be asked of a server.
 */
const LIST_OPEN_FILES = `
  printf '%s\\n' /proc/[0-9]*/fd/* |
    xargs ls -ln |
    grep -F -e " -> $1"`;

/**
 * Prints `same` if process `$1` finds the same file as this one at the path
 * `$2`, or if neither finds any: an etcd that has just started has made none.
 */
const COMPARE_FILE = `
  theirs=/proc/$1/root$2
  if [ "$theirs" -ef "$2" ] || { [ ! -e "$theirs" ] && [ ! -e "$2" ]; }
  then echo same
  fi`;

/** Prints `same` if process `$1` runs the file at the path `$2`. */
const COMPARE_PROGRAM = `
  if [ "/proc/$1/exe" -ef "$2" ]
  then echo same
  fi`;

/** Prints the sockets of IPv4, then those of IPv6, each with a heading. */
const LIST_TCP_SOCKETS = "cat /proc/net/tcp /proc/net/tcp6";

/** Random, so that no text in a process's files can be taken for it. */
const SEPARATOR = crypto.randomUUID();

/**
 * Reads a process; undefined if it has ended, or is a zombie. A killed process
 * ends with its last thread, which may be waiting for the disk: until then its
 * files are open and locked.
 *
 * @throws {Error} if processes cannot be read here.
 */
export function findProcess(pid: number): Promise<ProcessInfo | undefined> {
  return HAS_PROC ? findInProc(pid) : findWithPs(pid);
}

/** Does the same as {@linkcode findProcess}, and blocks this thread: for an exit hook. */
export function findProcessSync(pid: number): ProcessInfo | undefined {
  return HAS_PROC
    ? parseProc(pid, runScriptSync(READ_PROCESS, String(pid), SEPARATOR))
    : parsePs(pid, runScriptSync(READ_PROCESS_WITH_PS, String(pid)));
}

/** The name of a process's program, for messages. */
export function programName({ args }: ProcessInfo): string {
  return basename(args[0] ?? "") || "unknown";
}

/**
 * Finds the processes that have a file open, named as `/proc/PID/fd` names it:
 * a path, or `socket:[INODE]`. It finds no process where that cannot be known,
 * and none of another user.
 */
export async function* processesByOpenFile(
  link: string,
): AsyncGenerator<ProcessInfo> {
  if (!HAS_PROC) return;
  const listed = await runOrNothing(LIST_OPEN_FILES, link);
  const pids = new Set<number>();
  for (
    const [, pid, target] of listed.matchAll(
      / \/proc\/(\d+)\/fd\/\d+ -> (.*)$/gm,
    )
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
  return await runOrNothing(COMPARE_FILE, String(pid), path) === "same\n";
}

/** Whether a process runs the very file at `path`; true where that cannot be known. */
export async function runsProgram(pid: number, path: string): Promise<boolean> {
  if (!HAS_PROC) return true;
  return await runOrNothing(COMPARE_PROGRAM, String(pid), path) === "same\n";
}

/** The sockets of IPv4 and IPv6 as `/proc/net` lists them; "" where that cannot be known. */
export async function listTcpSockets(): Promise<string> {
  return HAS_PROC ? await runOrNothing(LIST_TCP_SOCKETS) : "";
}

async function findInProc(pid: number): Promise<ProcessInfo | undefined> {
  return parseProc(pid, await runScript(READ_PROCESS, String(pid), SEPARATOR));
}

function parseProc(pid: number, printed: string): ProcessInfo | undefined {
  const [stat = "", args = "", environment = ""] = printed.split(SEPARATOR);
  // "pid (name) state …": the name may hold any character, also blanks and
  // brackets. After it come fields 3 (state), 20 (threads) and 22 (start time).
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

/** Reads a process with `ps`. Exported for tests on machines that have `/proc` as well. */
export async function findWithPs(
  pid: number,
): Promise<ProcessInfo | undefined> {
  return parsePs(pid, await runScript(READ_PROCESS_WITH_PS, String(pid)));
}

function parsePs(pid: number, printed: string): ProcessInfo | undefined {
  const [, state, startTime, command] = PS_LINE_REGEXP.exec(printed) ?? [];
  if (
    state === undefined || startTime === undefined || command === undefined ||
    state.startsWith("Z")
  ) {
    return undefined;
  }
  return { pid, startTime, args: command.split(" "), environment: [] };
}

/** What a script prints; "" where none can or may be run. */
async function runOrNothing(
  script: string,
  ...args: readonly string[]
): Promise<string> {
  return await runScript(script, ...args).catch(() => "");
}
