/**
 * The process as commands see it.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
import { isStderrJournal, prefixed } from "../base/systemd/journal.ts";
import type { CliContext } from "./cli.ts";

const encoder = new TextEncoder();

/** Every variable that the agent obeys; the permission set in deno.json names the same. */
export const VARIABLES = [
  "HOME",
  "JOURNAL_STREAM",
  "KAT_ADVERTISE_ADDRESS",
  "KAT_CACHE_DIR",
  "KAT_DATA_DIR",
  "KAT_ENDPOINTS",
  "KAT_ETCD_BINARY",
  "KAT_INITIAL_CLUSTER",
  "KAT_LOG_FORMAT",
  "KAT_LOG_LEVEL",
  "KAT_NODE_NAME",
  "KAT_PROGRAM",
  "NOTIFY_SOCKET",
  "NO_COLOR",
  "PATH",
  "TERM",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
  "XDG_CACHE_HOME",
  "XDG_DATA_HOME",
] as const;

/** The context of this process, stopped by `signal`. */
export function processContext(signal: AbortSignal): CliContext {
  const env = readEnvironment();
  return {
    env,
    signal,
    stdout: (text) => writeOut(encoder.encode(text)),
    stdoutBytes: writeOut,
    stderr: isStderrJournal(env) ? writePrefixed : writeError,
    terminal: Deno.stderr.isTerminal()
      ? (text) => void writeError(text)
      : undefined,
  };
}

function readEnvironment(): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    VARIABLES.map((name) => [name, Deno.env.get(name)]),
  );
}

async function writeOut(bytes: Uint8Array): Promise<void> {
  try {
    for (let sent = 0; sent < bytes.length;) {
      sent += await Deno.stdout.write(bytes.subarray(sent));
    }
  } catch (error) {
    throw new KatError("Cannot write to standard output", {
      cause: error,
      hint: error instanceof Deno.errors.BrokenPipe
        ? "The program that reads it has ended"
        : String((error as Error).message),
    });
  }
}

/** What a command says to the user is an error to the journal. */
async function writePrefixed(text: string): Promise<void> {
  await writeError(text.replace(/^.+$/gm, (line) => prefixed("error", line)));
}

/** How long a reader of stderr may take before the program goes on without it. */
const READER_MS = 1_000;

/** Writes to stderr, unless its reader is too slow: a full pipe must not block the program. */
export async function writeError(text: string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, READER_MS);
  });
  await Promise.race([writeAll(encoder.encode(text)), late]);
  clearTimeout(timer);
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  try {
    for (let sent = 0; sent < bytes.length;) {
      sent += await Deno.stderr.write(bytes.subarray(sent));
    }
  } catch {
    // stderr is closed, and there is no better place to say so.
  }
}
