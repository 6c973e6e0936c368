/**
 * What the machine knows about other processes: `/proc` on Linux, `ps`
 * elsewhere.
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
  /** Its command line. */
  readonly args: readonly string[];
  /** Its environment as `NAME=value`; empty where it may not be read. */
  readonly environment: readonly string[];
}

/** Options of {@linkcode findProcessByOpenFile}. */
export interface FindProcessOptions {
  /** A pid to pass over. */
  readonly except?: number | undefined;
}

/** Whether processes are found under `/proc`. */
export const HAS_PROC = Deno.build.os === "linux";

/** Returns what is known of a process, or undefined if it has ended (zombies included). */
export function findProcess(pid: number): Promise<ProcessInfo | undefined> {
  return HAS_PROC ? findInProc(pid) : findWithPs(pid);
}

/** The name of a process's program, for messages. */
export function programName({ args }: ProcessInfo): string {
  return basename(args[0] ?? "") || "unknown";
}

/** Every process that may be looked at; none where there is no `/proc`. */
export async function* allProcesses(): AsyncGenerator<ProcessInfo> {
  for (const pid of HAS_PROC ? await pidsInProc() : []) {
    const info = await findInProc(pid);
    if (info !== undefined) yield info;
  }
}

/**
 * Finds the process that has a file open, named as `/proc/PID/fd` names it: a
 * path, or `socket:[INODE]`. Undefined where that cannot be known, as for the
 * processes of other users.
 */
export async function findProcessByOpenFile(
  link: string,
  { except }: FindProcessOptions = {},
): Promise<ProcessInfo | undefined> {
  for (const pid of HAS_PROC ? await pidsInProc() : []) {
    if (pid === except) continue;
    try {
      for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
        const target = await Deno.readLink(`/proc/${pid}/fd/${name}`)
          .catch(() => undefined);
        if (target === link) return await findInProc(pid);
      }
    } catch {
      // Ended meanwhile, or another user's.
    }
  }
  return undefined;
}

/** Whether a path names the same file to another process; true where that cannot be known. */
export async function seesSameFile(
  pid: number,
  path: string,
): Promise<boolean> {
  if (!HAS_PROC) return true;
  const [theirs, ours] = await Promise.all(
    [`/proc/${pid}/root${path}`, path].map((one) =>
      Deno.stat(one).catch(() => undefined)
    ),
  );
  // Neither is there yet, or any more, also of an etcd that has just begun.
  if (theirs === undefined || ours === undefined) return theirs === ours;
  return theirs.dev === ours.dev && theirs.ino === ours.ino;
}

async function pidsInProc(): Promise<number[]> {
  const pids: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (/^\d+$/.test(name)) pids.push(Number(name));
  }
  return pids;
}

async function findInProc(pid: number): Promise<ProcessInfo | undefined> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`)
    .catch(() => undefined);
  if (stat === undefined) return undefined;
  // "pid (name) state …": the name may hold anything, also spaces and brackets.
  // After it come fields 3 (state) and, nineteen further, 22 (start time).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  const startTime = fields[19];
  if (state === "Z" || state === "X" || startTime === undefined) {
    return undefined;
  }
  const [args, environment] = await Promise.all([
    readStrings(`/proc/${pid}/cmdline`),
    readStrings(`/proc/${pid}/environ`),
  ]);
  return { pid, startTime, args, environment };
}

/** Reads strings that each end in a NUL; none if the file may not be read. */
async function readStrings(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return text.split("\0").filter((part) => part !== "");
}

const PS_LINE_REGEXP = /^\s*(\S+)\s+(\S+ \S+ +\d+ [\d:]+ \d+)\s+(.*)$/m;

/** Exported for tests on machines that have `/proc` as well. */
export async function findWithPs(
  pid: number,
): Promise<ProcessInfo | undefined> {
  const { stdout } = await new Deno.Command("ps", {
    args: ["-ww", "-o", "stat=,lstart=,command=", "-p", String(pid)],
    env: { LC_ALL: "C" },
    stdin: "null",
    stderr: "null",
  }).output();
  const [, state, startTime, command] =
    PS_LINE_REGEXP.exec(new TextDecoder().decode(stdout)) ?? [];
  if (
    state === undefined || startTime === undefined || command === undefined ||
    state.startsWith("Z")
  ) {
    return undefined;
  }
  // Blanks inside arguments cannot be told apart here.
  return { pid, startTime, args: command.split(" "), environment: [] };
}
