/**
 * What a line of the log is before anybody formats it, and where it goes: one
 * place for the whole thread.
 *
 * A library would be loaded by each thread of the agent, at 14 ms and 2 MB.
 *
 * @module
 */

/** The levels, the lowest first. */
const LEVELS = ["trace", "debug", "info", "warning", "error", "fatal"] as const;
/** How much a line matters. */
export type LogLevel = typeof LEVELS[number];

/** Values that say more than the sentence does. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A line of the log. */
export interface LogRecord {
  /** Whose it is. */
  readonly room: string;
  /** How much it matters. */
  readonly level: LogLevel;
  /** The sentence, with the names of fields in braces. */
  readonly sentence: string;
  /** When it was logged, in milliseconds since 1970. */
  readonly timestamp: number;
  /** All its fields. */
  readonly fields: LogFields;
}

type Log = (sentence: string, fields?: LogFields) => void;

/** Logs the lines of one room, at the level that each function is called after. */
export interface Logger {
  /** For who looks for a fault. */
  readonly debug: Log;
  /** For who wants to know what happens. */
  readonly info: Log;
  /** For who should look at it some time; the same as `warning`. */
  readonly warn: Log;
  /** For who should look at it some time. */
  readonly warning: Log;
  /** For who must do something. */
  readonly error: Log;
}

/** Takes what is logged. */
export type Sink = (record: LogRecord) => void;

let sink: { readonly lowest: LogLevel; readonly take: Sink } | undefined;

/** Has all that is logged from now on, from `lowest` up, taken by `take`. */
export function setSink(lowest: LogLevel, take: Sink): void {
  sink = { lowest, take };
}

/** From now on nothing is logged. */
export function removeSink(): void {
  sink = undefined;
}

/** Logs a record as it is, if its level is. */
export function emit(record: LogRecord): void {
  if (sink === undefined) return;
  if (LEVELS.indexOf(record.level) < LEVELS.indexOf(sink.lowest)) return;
  sink.take(record);
}

/** Returns the logger of a room. Silent until there is a sink. */
export function roomLogger(room: string): Logger {
  const at = (level: LogLevel): Log => (sentence, fields = {}) =>
    emit({ room, level, sentence, timestamp: Date.now(), fields });
  const warning = at("warning");
  return {
    debug: at("debug"),
    info: at("info"),
    warn: warning,
    warning,
    error: at("error"),
  };
}

/** The sentence with its values in the place of their names. */
export function messageText({ sentence, fields }: LogRecord): string {
  return sentence.replace(
    /\{(\w+)\}/g,
    (all, name: string) =>
      Object.hasOwn(fields, name) ? String(fields[name]) : all,
  );
}
