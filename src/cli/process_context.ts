/**
 * The process as commands see it.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
import { isStderrJournal, prefixed } from "../base/journal.ts";
import type { CliContext } from "./cli.ts";

const encoder = new TextEncoder();

/** The context of this process, stopped by `signal`. */
export function processContext(signal: AbortSignal): CliContext {
  const env = Deno.env.toObject();
  return {
    env,
    signal,
    stdout: (text) => writeOut(encoder.encode(text)),
    stdoutBytes: writeOut,
    stderr: isStderrJournal(env) ? writePrefixed : writeError,
    terminal: Deno.stderr.isTerminal() ? writeError : undefined,
  };
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
        ? "Its reader has gone"
        : String((error as Error).message),
    });
  }
}

/** What a command says to the user is an error to the journal. */
function writePrefixed(text: string): void {
  writeError(text.replace(/^.+$/gm, (line) => prefixed("error", line)));
}

function writeError(text: string): void {
  try {
    Deno.stderr.writeSync(encoder.encode(text));
  } catch {
    // stderr is closed or full, and there is no better place to say so.
  }
}
