/**
 * Starts the log: text for people, JSON lines for programs, or entries with fields
 * for systemd's journal. Only this writes logs, to stderr.
 *
 * If the reader of stderr stops reading, the agent goes on: lines wait in a bounded
 * queue, and the oldest are dropped and counted.
 *
 * @module
 */

import { configure, type LogRecord, reset } from "@logtape/logtape";
import { type LogLevel, setLogLevel, SILENT_META } from "../log.ts";
import { Journal } from "../systemd/journal.ts";
import { lineFormat, type LogFormat } from "./log_line.ts";
import { LineQueue } from "./line_queue.ts";

/** Options of {@linkcode startLogging}. */
export interface LoggingOptions {
  /** The format of lines. */
  readonly format: LogFormat;
  /** The lowest level that is written. */
  readonly level: LogLevel;
  /** Whether text lines are coloured. */
  readonly colors: boolean;
  /** Writes bytes; its errors are ignored, because there is no other place to report them. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /**
   * Set if stderr is the journal: lines then have a priority and no time, and
   * text is sent to the journal's socket with its fields, if possible.
   */
  readonly journal?: JournalOptions | undefined;
}

/** Options of {@linkcode LoggingOptions.journal}. */
export interface JournalOptions {
  /** The socket that accepts entries with fields. @default {"/run/systemd/journal/socket"} */
  readonly socket?: string;
}

/** Starts writing log lines; disposing writes the waiting ones and stops. */
export async function startLogging(
  options: LoggingOptions,
): Promise<AsyncDisposable> {
  const entries = options.journal && Journal.open(options.journal.socket);
  const { format, colors, write } = options;
  const isJournal = options.journal !== undefined;
  const queue = new LineQueue({ write, prefixes: isJournal, entries });
  const line = lineFormat({ format, colors, isJournal });
  await configure({
    reset: true,
    sinks: { stderr: (record: LogRecord) => queue.push(line(record)) },
    loggers: [
      { category: "kat", sinks: ["stderr"], lowestLevel: options.level },
      SILENT_META,
    ],
  });
  setLogLevel(options.level);
  return {
    async [Symbol.asyncDispose]() {
      await reset();
      await queue.flush();
      entries?.[Symbol.dispose]();
    },
  };
}
