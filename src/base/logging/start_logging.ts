/**
 * The only writer of logs, to stderr.
 *
 * Text for people, JSON lines for machines, entries with fields for systemd's
 * journal. A reader that does not drain stderr costs log lines, never the
 * agent's heartbeat: lines wait in a bounded queue and the oldest are dropped
 * and counted.
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
  /** How lines look. */
  readonly format: LogFormat;
  /** The lowest level that is written. */
  readonly level: LogLevel;
  /** Whether text lines are coloured. */
  readonly colors: boolean;
  /** Writes bytes; what it throws is swallowed, there is nowhere left to say it. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /**
   * Set where stderr is the journal: lines then carry a priority and leave the
   * time to it, and text goes to its socket, if it can, with its fields.
   */
  readonly journal?: JournalOptions | undefined;
}

/** Options of {@linkcode LoggingOptions.journal}. */
export interface JournalOptions {
  /** Where it takes entries with fields. @default {"/run/systemd/journal/socket"} */
  readonly socket?: string;
}

/** Starts writing log lines; disposing writes what waits and stops. */
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
