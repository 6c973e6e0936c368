/**
 * kat-agent: signals to one AbortSignal, the command line to its exit code.
 *
 * The only user of `Deno.args` and `Deno.exit`. The handlers stand before the
 * commands are loaded, so that a stop is orderly from the first moment.
 *
 * @module
 */

import { ExitCode, ShutdownRequested } from "./src/base/errors.ts";
import { actBeforeHardExit } from "./src/base/hard_exit.ts";

const root = new AbortController();

/** A terminal that is closed, Ctrl-C, and systemd's stop. */
const STOP_SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;
/** As shells count: 128 and the signal's number. */
const SIGNAL_EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

for (const name of STOP_SIGNALS) {
  Deno.addSignalListener(name, () => {
    if (root.signal.aborted) exitHard(SIGNAL_EXIT_CODES[name]);
    root.abort(new ShutdownRequested(name));
  });
}
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  reportBug(event.reason);
});
globalThis.addEventListener("error", (event) => {
  event.preventDefault();
  reportBug(event.error);
});

const { runCli } = await import("./src/cli/cli.ts");
const { processContext } = await import("./src/cli/process_context.ts");
try {
  Deno.exit(await runCli(Deno.args, processContext(root.signal)));
} catch (error) {
  reportBug(error);
}

/** Ends now, with what must be done even then. */
function exitHard(code: number): never {
  actBeforeHardExit();
  Deno.exit(code);
}

function reportBug(error: unknown): never {
  const stack = error instanceof Error ? error.stack : String(error);
  const text = `kat-agent: this is a bug, please report it\n${stack}\n`;
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  } catch {
    // Nobody reads it.
  }
  exitHard(ExitCode.bug);
}
