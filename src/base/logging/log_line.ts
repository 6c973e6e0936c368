/**
 * Turns a record of the log into one line, or into an entry of systemd's journal:
 * pure.
 *
 * @module
 */

import { escapeControls, toJson } from "../escape_controls.ts";
import type { LogLevel, LogRecord } from "../log.ts";
import { type JournalLine, prefixed } from "../systemd/journal.ts";

/** The format of log lines. */
export type LogFormat = "text" | "json";

/** A line of the log. */
export interface Line {
  /** The text for stderr. */
  readonly text: string;
  /** The entry that is sent to the journal instead, if the journal accepts it. */
  readonly entry?: JournalLine;
}

/** Options of {@linkcode lineFormat}. */
export interface LineFormatOptions {
  /** The format of lines. */
  readonly format: LogFormat;
  /** Whether text lines are coloured. */
  readonly colors: boolean;
  /** Whether stderr is the journal. */
  readonly isJournal: boolean;
}

/** Returns the function that turns records into lines. */
export function lineFormat(
  { format, colors, isJournal }: LineFormatOptions,
): (record: LogRecord) => Line {
  const prefix = (level: LogLevel, text: string) =>
    isJournal ? prefixed(level, text) : text;
  if (format === "json") {
    return (record) => ({ text: prefix(record.level, formatJson(record)) });
  }
  if (!isJournal) return (record) => ({ text: formatText(record, colors) });
  return (record) => {
    const { level, properties: fields } = record;
    const message = sentenceText(record) + fieldsText(record);
    const entry = { level, component: componentOf(record), message, fields };
    return { text: prefix(level, message), entry };
  };
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

/** One line for people: time, level, component, sentence, then the fields. */
export function formatText(record: LogRecord, colors: boolean): string {
  const time = new Date(record.timestamp).toISOString();
  const level = record.level.toUpperCase().padEnd(7);
  const component = componentOf(record).padEnd(8);
  const fields = fieldsText(record);
  const sentence = sentenceText(record);
  return colors
    ? `${DIM}${time}${RESET} ${
      COLORS[record.level]
    }${level}${RESET} ${DIM}${component}${RESET} ${sentence}${DIM}${fields}${RESET}`
    : `${time} ${level} ${component} ${sentence}${fields}`;
}

function componentOf({ category }: LogRecord): string {
  return escapeControls(category.at(-1) ?? "");
}

/** The sentence, with control characters escaped. */
function sentenceText(record: LogRecord): string {
  return escapeControls(messageText(record));
}

/** The fields that have a value and that the sentence does not say, each after a space. */
function fieldsText({ rawMessage, properties }: LogRecord): string {
  const template = String(rawMessage);
  return Object.entries(properties)
    .filter(([name, value]) =>
      value !== undefined && value !== null && !template.includes(`{${name}}`)
    )
    .map(([name, value]) => ` ${quoted(name)}=${valueText(value)}`)
    .join("");
}

/**
 * One JSON object: `time`, `level`, `component`, `message`, then the fields. A
 * field of one of these names is left out.
 */
export function formatJson(record: LogRecord): string {
  const own = {
    time: new Date(record.timestamp).toISOString(),
    level: record.level,
    component: componentOf(record),
    message: messageText(record),
  };
  return toJson({ ...own, ...record.properties, ...own });
}

/** The sentence with its values unquoted; LogTape's own formatters would quote them. */
function messageText(record: LogRecord): string {
  return record.message.map(String).join("");
}

/** A field's value on one line. */
function valueText(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  return typeof value === "object"
    ? toJson(value)
    : escapeControls(String(value));
}

/** A text on one line; quoted if its end would not be clear otherwise. */
function quoted(text: string): string {
  return /^[^\s"=\p{Cc}\p{Cf}]+$/u.test(text) ? text : toJson(text);
}
