/**
 * A program of a run as a child process: told things a JSON line at a time on
 * its stdin, it answers and records in the same way on its stdout.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { jsonLines } from "../machine/json_lines.ts";

/** Options of {@linkcode startChild}. */
export interface ChildOptions {
  /** The first line that it is told. */
  readonly setting: unknown;
  /** Told of each line it writes. */
  readonly onLine: (line: unknown) => void;
  /** A command, with its absolute path, that becomes the program. */
  readonly prefix?: readonly string[];
}

/** A running child; disposing asks it to end, then makes it. */
export interface ChildProgram extends AsyncDisposable {
  /** Its process ID. */
  readonly pid: number;
  /** Resolves with its exit code once all that it wrote was taken. */
  readonly ended: Promise<number>;
  /** Tells it something; dropped if it is gone. */
  readonly tell: (line: unknown) => void;
  /** Sends it a signal. */
  readonly kill: (signal: Deno.Signal) => void;
}

/** How long a child may take to end in order, in milliseconds. */
const STOP_MS = 30_000;

/** Starts a program of this directory. */
export function startChild(
  program: string,
  { setting, onLine, prefix = [] }: ChildOptions,
): ChildProgram {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const [command = "", ...args] = [
    ...prefix,
    Deno.execPath(),
    "run",
    "--frozen",
    "-A",
    path,
  ];
  const child = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const stdin = child.stdin.getWriter();
  const encoder = new TextEncoder();
  const tell = (line: unknown) => {
    stdin.write(encoder.encode(JSON.stringify(line) + "\n")).catch(() => {});
  };
  const kill = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch {
      // It has ended already.
    }
  };
  const ended = (async () => {
    for await (const line of jsonLines(child.stdout)) onLine(line);
    const { code } = await child.status;
    return code;
  })();
  tell(setting);
  return {
    pid: child.pid,
    ended,
    tell,
    kill,
    async [Symbol.asyncDispose]() {
      kill("SIGCONT");
      await stdin.close().catch(() => {});
      const timer = setTimeout(() => kill("SIGKILL"), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
