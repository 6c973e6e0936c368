/**
 * The only writer of logs: one fixed sentence plus fields, to stderr.
 *
 * Text for people, JSON lines for machines. A reader that does not drain
 * stderr costs log lines, never the agent's heartbeat: lines wait in a bounded
 * queue and the oldest are dropped and counted.
 *
 * @module
 */

import {
  configure,
  getLogger,
  type Logger,
  type LogLevel,
  type LogRecord,
  reset,
} from "@logtape/logtape";

import { escapeControls } from "./escape_controls.ts";

/** The rooms that log; the category of each line. */
export type LogRoom =
  | "agent"
  | "cli"
  | "cluster"
  | "election"
  | "etcd"
  | "store";

/** How log lines look. */
export type LogFormat = "text" | "json";

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
}

/** Lines that may wait for a reader; at about 200 bytes each, 2 MB. */
const QUEUE_LIMIT = 10_000;
/** How long the end of the program waits for the last lines to be read. */
const FLUSH_MS = 1_000;

/** Returns the logger of a room. Silent until {@linkcode startLogging}. */
export function logger(room: LogRoom): Logger {
  return getLogger(["kat", room]);
}

/** Starts writing log lines; disposing writes what waits and stops. */
export async function startLogging(
  options: LoggingOptions,
): Promise<AsyncDisposable> {
  const queue = new LineQueue(options.write);
  const format = options.format === "json"
    ? formatJson
    : (record: LogRecord) => formatText(record, options.colors);
  await configure({
    reset: true,
    sinks: { stderr: (record: LogRecord) => queue.push(format(record)) },
    loggers: [
      { category: "kat", sinks: ["stderr"], lowestLevel: options.level },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
    ],
  });
  return {
    async [Symbol.asyncDispose]() {
      await reset();
      await queue.flush();
    },
  };
}

/** Lines on their way to a reader that may be slow, stuck or gone. */
class LineQueue {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #encoder = new TextEncoder();
  #waiting: string[] = [];
  #dropped = 0;
  #draining: Promise<void> | undefined;

  constructor(write: (bytes: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  push(line: string): void {
    if (this.#waiting.length >= QUEUE_LIMIT) {
      this.#waiting.shift();
      this.#dropped += 1;
    }
    this.#waiting.push(line);
    this.#draining ??= this.#drain();
  }

  async flush(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FLUSH_MS);
    });
    await Promise.race([this.#draining, deadline]);
    clearTimeout(timer);
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      if (this.#dropped > 0) {
        lines.unshift(`(${this.#dropped} log lines dropped: nobody read them)`);
        this.#dropped = 0;
      }
      try {
        await this.#write(this.#encoder.encode(lines.join("\n") + "\n"));
      } catch {
        // stderr is closed or full: the agent goes on without it.
      }
    }
    this.#draining = undefined;
  }
}

const COLORS: Readonly<Record<LogLevel, string>> = {
  trace: "\x1b[2m",
  debug: "\x1b[2m",
  info: "\x1b[32m",
  warning: "\x1b[33m",
  error: "\x1b[31m",
  fatal: "\x1b[31m",
};
const RESET = "\x1b[0m";
const DIM = "\x1b[2m";

/** One line for people: time, level, room, sentence, then the fields. */
export function formatText(record: LogRecord, colors: boolean): string {
  const time = new Date(record.timestamp).toISOString();
  const level = record.level.toUpperCase().padEnd(7);
  const room = (record.category.at(-1) ?? "").padEnd(8);
  const template = String(record.rawMessage);
  const fields = Object.entries(record.properties)
    .filter(([name, value]) =>
      value !== undefined && !template.includes(`{${name}}`)
    )
    .map(([name, value]) => ` ${name}=${plain(value)}`)
    .join("");
  const sentence = escapeControls(messageText(record));
  return colors
    ? `${DIM}${time}${RESET} ${
      COLORS[record.level]
    }${level}${RESET} ${DIM}${room}${RESET} ${sentence}${DIM}${fields}${RESET}`
    : `${time} ${level} ${room} ${sentence}${fields}`;
}

/** One JSON object: `time`, `level`, `room`, `message`, then the fields. */
export function formatJson(record: LogRecord): string {
  return JSON.stringify({
    time: new Date(record.timestamp).toISOString(),
    level: record.level,
    room: record.category.at(-1),
    message: messageText(record),
    ...record.properties,
  }, (_, value) => typeof value === "bigint" ? value.toString() : value);
}

/** The sentence with its values as they are; LogTape's own formatters would quote them. */
function messageText(record: LogRecord): string {
  return record.message.map(String).join("");
}

/** A field's value on one line; quoted where a reader could not tell where it ends. */
function plain(value: unknown): string {
  const text = typeof value === "string"
    ? value
    : typeof value === "object"
    ? JSON.stringify(value)
    : String(value);
  return typeof value === "string" && !/^[^\s"=\p{Cc}\p{Cf}]+$/u.test(text)
    ? escapeControls(JSON.stringify(text))
    : text;
}
