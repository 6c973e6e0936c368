/**
 * The loggers of the components: one fixed sentence plus fields. Where the lines
 * go is left to `logging/start_logging.ts`, or in a Worker to the thread that
 * started it.
 *
 * @module
 */

import {
  configureSync,
  getLogger,
  type Logger,
  type LoggerConfig,
  type LogLevel,
  type LogRecord,
} from "@logtape/logtape";

export type { LogLevel, LogRecord };

/** The components that log; the category of each line. */
export type LogComponent =
  | "agent"
  | "cli"
  | "cluster"
  | "election"
  | "etcd"
  | "store";

/** Silences what LogTape logs about itself. */
export const SILENT_META: LoggerConfig<string, string> = {
  category: ["logtape", "meta"],
  sinks: [],
  lowestLevel: "fatal",
};

/** Returns the logger of a component. It writes nothing before {@linkcode startLogging}. */
export function logger(component: LogComponent): Logger {
  return getLogger(["kat", component]);
}

let lowestLevel: LogLevel = "fatal";

/** Sets the lowest level that is written, for Workers that start later. */
export function setLogLevel(level: LogLevel): void {
  lowestLevel = level;
}

/** Returns the lowest level that is written. */
export function logLevel(): LogLevel {
  return lowestLevel;
}

/** Passes each record to `send` instead of writing it: in a Worker, whose records another thread writes. */
export function startForwarding(
  level: LogLevel,
  send: (record: LogRecord) => void,
): void {
  lowestLevel = level;
  configureSync({
    reset: true,
    sinks: { host: send },
    loggers: [
      { category: "kat", sinks: ["host"], lowestLevel: level },
      SILENT_META,
    ],
  });
}

/** Logs a record of another thread, with the time that it has. */
export function relog({ category, ...record }: LogRecord): void {
  getLogger(category).emit(record);
}
