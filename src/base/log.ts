/**
 * The only writer of logs: one fixed sentence plus fields, to stderr.
 *
 * Text for people, JSON lines for machines, entries with fields for systemd's
 * journal. A reader that does not drain
 * stderr costs log lines, never the agent's heartbeat: lines wait in a bounded
 * queue and the oldest are dropped and counted.
 *
 * @module
 */

import {
  configure,
  configureSync,
  getLogger,
  type Logger,
  type LoggerConfig,
  type LogLevel,
  type LogRecord,
  reset,
} from "@logtape/logtape";

import { escapeControls } from "./escape_controls.ts";
import { Journal, type JournalLine, prefixed } from "./systemd/journal.ts";

export type { LogLevel, LogRecord };

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

/** What the library says of itself. */
const SILENT_META: LoggerConfig<string, string> = {
  category: ["logtape", "meta"],
  sinks: [],
  lowestLevel: "fatal",
};
/** Lines that may wait for a reader; at about 200 bytes each, 2 MB. */
const QUEUE_LIMIT = 10_000;
/** How long the end of the program waits for the last lines to be read. */
const FLUSH_MS = 1_000;

/** Returns the logger of a room. Silent until {@linkcode startLogging}. */
export function logger(room: LogRoom): Logger {
  return getLogger(["kat", room]);
}

let lowestLevel: LogLevel = "fatal";

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

/** Starts writing log lines; disposing writes what waits and stops. */
export async function startLogging(
  options: LoggingOptions,
): Promise<AsyncDisposable> {
  const entries = options.journal && Journal.open(options.journal.socket);
  const queue = new LineQueue(options, entries);
  const line = lineFormat(options);
  await configure({
    reset: true,
    sinks: { stderr: (record: LogRecord) => queue.push(line(record)) },
    loggers: [
      { category: "kat", sinks: ["stderr"], lowestLevel: options.level },
      SILENT_META,
    ],
  });
  lowestLevel = options.level;
  return {
    async [Symbol.asyncDispose]() {
      await reset();
      await queue.flush();
      entries?.[Symbol.dispose]();
    },
  };
}

/** A line of the log. */
interface Line {
  /** As it is written to stderr. */
  readonly text: string;
  /** As it is sent to the journal instead, if that takes it. */
  readonly entry?: JournalLine;
}

function lineFormat(
  { format, colors, journal }: LoggingOptions,
): (record: LogRecord) => Line {
  const prefix = (level: LogLevel, text: string) =>
    journal ? prefixed(level, text) : text;
  if (format === "json") {
    return (record) => ({ text: prefix(record.level, formatJson(record)) });
  }
  if (!journal) return (record) => ({ text: formatText(record, colors) });
  return (record) => {
    const { level, properties: fields } = record;
    const message = sentenceText(record) + fieldsText(record);
    const entry = { level, room: roomOf(record), message, fields };
    return { text: prefix(level, message), entry };
  };
}

/** Lines on their way to a reader that may be slow, stuck or gone. */
class LineQueue {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #prefixes: boolean;
  readonly #entries: Journal | undefined;
  readonly #encoder = new TextEncoder();
  #waiting: Line[] = [];
  #dropped = 0;
  #draining: Promise<void> | undefined;

  constructor({ write, journal }: LoggingOptions, entries?: Journal) {
    this.#write = write;
    this.#prefixes = journal !== undefined;
    this.#entries = entries;
  }

  push(line: Line): void {
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
        const text = `(${this.#dropped} log lines dropped: nobody read them)`;
        lines.unshift({
          text: this.#prefixes ? prefixed("warning", text) : text,
        });
        this.#dropped = 0;
      }
      const rest = await this.#sendEntries(lines);
      if (rest.length === 0) continue;
      const text = rest.map(({ text }) => `${text}\n`).join("");
      try {
        await this.#write(this.#encoder.encode(text));
      } catch {
        // stderr is closed or full: the agent goes on without it.
      }
    }
    this.#draining = undefined;
  }

  /** Sends what the journal takes; returns what is still to be written. */
  async #sendEntries(lines: readonly Line[]): Promise<readonly Line[]> {
    const entries = this.#entries;
    if (entries === undefined) return lines;
    const rest: Line[] = [];
    for (const line of lines) {
      try {
        if (line.entry) await entries.send(line.entry);
        else rest.push(line);
      } catch {
        rest.push(line);
      }
    }
    return rest;
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
  const room = roomOf(record).padEnd(8);
  const fields = fieldsText(record);
  const sentence = sentenceText(record);
  return colors
    ? `${DIM}${time}${RESET} ${
      COLORS[record.level]
    }${level}${RESET} ${DIM}${room}${RESET} ${sentence}${DIM}${fields}${RESET}`
    : `${time} ${level} ${room} ${sentence}${fields}`;
}

function roomOf({ category }: LogRecord): string {
  return category.at(-1) ?? "";
}

/** The sentence, on one line. */
function sentenceText(record: LogRecord): string {
  return escapeControls(messageText(record));
}

/** The fields that the sentence does not say, each after a space. */
function fieldsText({ rawMessage, properties }: LogRecord): string {
  const template = String(rawMessage);
  return Object.entries(properties)
    .filter(([name, value]) =>
      value !== undefined && !template.includes(`{${name}}`)
    )
    .map(([name, value]) => ` ${name}=${plain(value)}`)
    .join("");
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
