/**
 * The process as commands see it.
 *
 * @module
 */

import { abortable, settledWithin } from "../base/abortable.ts";
import { escapeLines } from "../base/escape_controls.ts";
import { KatError, messageOf } from "../base/errors.ts";
import { isStderrJournal, prefixed } from "../base/systemd/journal.ts";
import type { CliContext } from "./cli.ts";

const encoder = new TextEncoder();

/** Every variable that the agent obeys; the permission set in deno.json names the same. */
export const VARIABLES = [
  "ALL_PROXY",
  "HOME",
  "HTTPS_PROXY",
  "HTTP_PROXY",
  "JOURNAL_STREAM",
  "KAT_ADVERTISE_ADDRESS",
  "KAT_CACHE_DIR",
  "KAT_DATA_DIR",
  "KAT_ENDPOINTS",
  "KAT_ETCD_BINARY",
  "KAT_HOME",
  "KAT_INITIAL_CLUSTER",
  "KAT_LOG_FORMAT",
  "KAT_LOG_LEVEL",
  "KAT_NODE_NAME",
  "KAT_PROGRAM",
  "KAT_STATE_DIR",
  "NOTIFY_SOCKET",
  "NO_COLOR",
  "NO_PROXY",
  "PATH",
  "REQUEST_METHOD",
  "TERM",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
  "XDG_CACHE_HOME",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "XDG_STATE_HOME",
  "all_proxy",
  "http_proxy",
  "https_proxy",
  "no_proxy",
] as const;

/** The context of this process, stopped by `signal`. */
export function processContext(signal: AbortSignal): CliContext {
  const env = readEnvironment();
  const stdout = (text: string) =>
    writeOut(encoder.encode(escapeLines(text)), signal);
  return {
    env,
    signal,
    stdout,
    stdoutBytes: (bytes) =>
      Deno.stdout.isTerminal()
        ? stdout(new TextDecoder().decode(bytes))
        : writeOut(bytes, signal),
    stderr: isStderrJournal(env) ? writePrefixed : writeError,
    terminal: Deno.stderr.isTerminal()
      ? (text) => void writeToReader(text)
      : undefined,
  };
}

function readEnvironment(): Readonly<Record<string, string | undefined>> {
  const env = Object.fromEntries(
    VARIABLES.map((name) => [name, Deno.env.get(name)]),
  );
  // The portable form shows Deno another home than the user's.
  return { ...env, HOME: env.KAT_HOME ?? env.HOME };
}

/** How long the reader of an output may take before the program goes on without it. */
const READER_MS = 1_000;

/** Writes to stdout, for as long as the reader takes until `signal` aborts, and for a second from then on. */
async function writeOut(
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  let isWritten = false;
  const writing = writeAll(Deno.stdout, bytes).then(() => {
    isWritten = true;
  });
  try {
    await abortable(writing, signal);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw cannotWrite(error);
    // So that a reader that still reads gets whole lines.
    await settledWithin(writing, READER_MS);
    if (!isWritten) throw error;
  }
}

function cannotWrite(cause: unknown): KatError {
  return new KatError("Cannot write to standard output", {
    cause,
    hint: cause instanceof Deno.errors.BrokenPipe
      ? "The program that reads it has ended"
      : messageOf(cause),
  });
}

/** What a command says to the user is an error to the journal. */
async function writePrefixed(text: string): Promise<void> {
  await writeError(text.replace(/^.+$/gm, (line) => prefixed("error", line)));
}

/** Writes lines to stderr, with control characters in them escaped. */
export async function writeError(text: string): Promise<void> {
  await writeToReader(escapeLines(text));
}

/** Writes to stderr, unless its reader is too slow: a full pipe must not block the program. */
async function writeToReader(text: string): Promise<void> {
  // stderr may be closed, and there is no better place to say so.
  const writing = writeAll(Deno.stderr, encoder.encode(text)).catch(() => {});
  await settledWithin(writing, READER_MS);
}

/** An output of the process. */
interface Output {
  /** Writes some of `bytes`; returns how many. */
  readonly write: (bytes: Uint8Array) => Promise<number>;
}

async function writeAll(output: Output, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await output.write(bytes.subarray(sent));
  }
}
