/**
 * How a command logs: to stderr, for people or for machines, or to systemd's
 * journal where that is what stderr leads to.
 *
 * @module
 */

import { UsageError } from "../base/errors.ts";
import type { Context } from "./command.ts";
import type { LogFormat } from "../base/logging/log_line.ts";
import { valueOf } from "./flag_values.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogLevel } from "./options.ts";

/** What the command line says of the log. */
export interface LoggingFlags {
  /** `--log-format`. */
  readonly logFormat?: LogFormat | undefined;
  /** `--log-level`. */
  readonly logLevel?: LogLevel | undefined;
}

/**
 * Starts the log of a command; disposing writes out what waits.
 *
 * @throws {UsageError} if `KAT_LOG_FORMAT` or `KAT_LOG_LEVEL` says nothing known.
 */
export async function startCommandLog(
  { logFormat, logLevel }: LoggingFlags,
  context: Context,
): Promise<AsyncDisposable> {
  const { startLogging } = await import("../base/logging/start_logging.ts");
  const { isStderrJournal } = await import("../base/systemd/journal.ts");
  const { NO_COLOR, TERM } = context.env;
  return await startLogging({
    format: known(logFormat, "KAT_LOG_FORMAT", LOG_FORMATS, context) ?? "text",
    level: known(logLevel, "KAT_LOG_LEVEL", LOG_LEVELS, context) ?? "info",
    colors: context.terminal !== undefined && !NO_COLOR && TERM !== "dumb",
    async write(bytes) {
      for (let sent = 0; sent < bytes.length;) {
        sent += await Deno.stderr.write(bytes.subarray(sent));
      }
    },
    journal: isStderrJournal(context.env) ? {} : undefined,
  });
}

function known<T extends string>(
  flag: T | undefined,
  variable: `KAT_${string}`,
  values: readonly string[],
  context: Context,
): T | undefined {
  const value = valueOf(flag, variable, context);
  if (value === undefined || values.includes(value)) return value as T;
  throw new UsageError(`Cannot use ${variable}="${value}"`, {
    hint: `Set it to one of ${values.join(", ")}`,
  });
}
