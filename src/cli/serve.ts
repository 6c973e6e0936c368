/**
 * What the commands that serve a node share: a log, systemd's protocol, and an
 * end that is logged.
 *
 * @module
 */

import type { Report } from "../agent/node_state.ts";
import { ExitCode, ShutdownRequested } from "../base/errors.ts";
import type { Context } from "./command.ts";
import { type LoggingFlags, startCommandLog } from "./command_log.ts";

/** What a command has while it serves. */
export interface ServingContext extends Context {
  /** Tells systemd how the node is. */
  readonly report: Report;
  /** The sockets of systemd that the node writes to. */
  readonly sockets: readonly string[];
}

/** Serves with `work` until it ends or the program is told to stop. */
export async function serve(
  flags: LoggingFlags,
  context: Context,
  work: (context: ServingContext) => Promise<void>,
): Promise<ExitCode> {
  await using _log = await startCommandLog(flags, context);
  const { systemdSockets, underSystemd } = await import(
    "../agent/health/report_to_systemd.ts"
  );
  const { logger } = await import("../base/log.ts");
  const sockets = systemdSockets(context);
  try {
    await underSystemd(
      context,
      (report) => work({ ...context, report, sockets }),
    );
  } catch (error) {
    if (!(error instanceof ShutdownRequested)) throw error;
  }
  const { reason } = context.signal;
  if (reason instanceof ShutdownRequested) {
    logger("cli").info("kat-agent stopped", { signal: reason.signalName });
  }
  return ExitCode.ok;
}
