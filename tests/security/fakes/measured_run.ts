/**
 * A command of the agent's, and how much memory it took at most.
 *
 * @module
 */

import { agentCommand } from "../../machine/agent_process.ts";

/** How a command ended and what it took. */
export interface MeasuredRun {
  /** Its exit code. */
  readonly code: number;
  /** Its standard output. */
  readonly stdout: string;
  /** Its standard error. */
  readonly stderr: string;
  /** The most memory that it held at once, in bytes; 0 where the system does not say. */
  readonly peakBytes: number;
}

/** Options of {@linkcode runMeasured}. */
export interface MeasuredOptions {
  /** After this long it is told to stop. @default {60000} */
  readonly stopAfterMs?: number;
  /** Whether its standard output is read. @default {true} */
  readonly readsOutput?: boolean;
}

/** How often its memory is looked at; the system remembers the peak. */
const LOOK_MS = 25;
/** How long after being told to stop it is killed. */
const KILL_MS = 20_000;

/** Runs the agent's program with `args` to its end. */
export async function runMeasured(
  args: readonly string[],
  { stopAfterMs = 60_000, readsOutput = true }: MeasuredOptions = {},
): Promise<MeasuredRun> {
  const [command, commandArgs] = agentCommand(args);
  const child = new Deno.Command(command, {
    args: commandArgs,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let peakBytes = 0;
  const looks = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakOf(child.pid));
  }, LOOK_MS);
  const timers = [
    setTimeout(() => child.kill("SIGTERM"), stopAfterMs),
    setTimeout(() => child.kill("SIGKILL"), stopAfterMs + KILL_MS),
  ];
  const stderr = textOf(child.stderr);
  const stdout = readsOutput ? textOf(child.stdout) : undefined;
  const { code } = await child.status;
  if (stdout === undefined) await child.stdout.cancel();
  clearInterval(looks);
  for (const timer of timers) clearTimeout(timer);
  return {
    code,
    peakBytes,
    stdout: await stdout ?? "",
    stderr: await stderr,
  };
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream).text();
}

function peakOf(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
