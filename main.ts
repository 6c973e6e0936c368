/**
 * kat-agent: signals to one AbortSignal, the command line to its exit code.
 *
 * The only user of `Deno.args` and `Deno.exit`. The handlers stand before the
 * commands are loaded, so that a stop is orderly from the first moment.
 *
 * @module
 */

// First, before any package.
import "./src/base/close_storage.ts";
import { ExitCode, ShutdownRequested } from "./src/base/errors.ts";
import { runExitHooks } from "./src/base/exit_hooks.ts";
import { hideEnvironment } from "./src/base/hide_environment.ts";
import { putOffSegmenter } from "./src/base/late_segmenter.ts";

hideEnvironment();
putOffSegmenter();
const root = new AbortController();

/** A terminal that is closed, Ctrl-C, and systemd's stop. */
const STOP_SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;
/** As shells count: 128 and the signal's number. */
const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * One Ctrl-C may arrive more than once: wrappers such as `deno task` and `npx`
 * pass on what the terminal has sent already, within milliseconds.
 */
const SAME_PRESS_MS = 1_000;

let firstSignalMs = 0;
for (const name of STOP_SIGNALS) {
  Deno.addSignalListener(name, () => {
    if (!root.signal.aborted) {
      firstSignalMs = performance.now();
      root.abort(new ShutdownRequested(name));
      return;
    }
    const samePress = performance.now() - firstSignalMs < SAME_PRESS_MS;
    // A second SIGHUP does not force an exit.
    if (samePress || name === "SIGHUP") return;
    exitAtOnce(SIGNAL_EXIT_CODES[name]);
  });
}
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  void reportBug(event.reason);
});
globalThis.addEventListener("error", (event) => {
  event.preventDefault();
  void reportBug(event.error);
});

const { runCli } = await import("./src/cli/cli.ts");
const { processContext, writeError } = await import(
  "./src/cli/process_context.ts"
);
try {
  Deno.exit(await runCli(Deno.args, processContext(root.signal)));
} catch (error) {
  await reportBug(error);
}

/** Ends now; only the exit hooks still run. */
function exitAtOnce(code: number): never {
  runExitHooks();
  Deno.exit(code);
}

async function reportBug(error: unknown): Promise<never> {
  const stack = String(error instanceof Error ? error.stack : error);
  // First, because writing can block for as long as the reader takes.
  runExitHooks();
  // The message may be another program's, and have lines of its own.
  const lines = stack.replaceAll(/^/gm, "| ");
  await writeError(`kat-agent: this is a bug, please report it\n${lines}\n`);
  Deno.exit(ExitCode.bug);
}
