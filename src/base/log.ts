/**
 * What every room logs with: one fixed sentence plus fields. Where the lines
 * go is decided by `logging/start_logging.ts`, or by the host of a Worker.
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

/** The rooms that log; the category of each line. */
export type LogRoom =
  | "agent"
  | "cli"
  | "cluster"
  | "election"
  | "etcd"
  | "store";

/** What the library says of itself. */
export const SILENT_META: LoggerConfig<string, string> = {
  category: ["logtape", "meta"],
  sinks: [],
  lowestLevel: "fatal",
};

/** Returns the logger of a room. Silent until {@linkcode startLogging}. */
export function logger(room: LogRoom): Logger {
  return getLogger(["kat", room]);
}

let lowestLevel: LogLevel = "fatal";

/** Remembers the lowest level that is written, for Workers that start later. */
export function setLogLevel(level: LogLevel): void {
  lowestLevel = level;
}

/** The lowest level that is written. */
export function logLevel(): LogLevel {
  return lowestLevel;
}

/** Hands each record to `send` instead of writing it: for a part of the program whose host writes. */
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

/** Logs a record of another part of the program, with its own time. */
export function relog({ category, ...record }: LogRecord): void {
  getLogger(category).emit(record);
}
