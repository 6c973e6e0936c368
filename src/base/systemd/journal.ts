/**
 * Writes the log to systemd's journal, with priorities, and with fields to search
 * by.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { escapeLines, toJson } from "../escape_controls.ts";
import { UnixDatagram } from "./unix_datagram.ts";

/** The journal's socket for entries with fields. */
export const JOURNAL_SOCKET = "/run/systemd/journal/socket";
/** The longest name of a field; the journal drops longer ones. */
const MAX_NAME = 64;

/** The priorities of syslog(3), which the journal uses. */
const PRIORITIES = {
  trace: 7,
  debug: 7,
  info: 6,
  warning: 4,
  error: 3,
  fatal: 2,
} as const;

/** The levels of the log. */
export type JournalLevel = keyof typeof PRIORITIES;

/** The content of one entry. */
export interface JournalLine {
  /** Its level. */
  readonly level: JournalLevel;
  /** The component that logs. */
  readonly component: string;
  /** The text for people. */
  readonly message: string;
  /** More values to search by. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Whether this process's stderr is the journal. */
export function isStderrJournal(
  { JOURNAL_STREAM }: Readonly<Record<string, string | undefined>>,
): boolean {
  if (!JOURNAL_STREAM) return false;
  try {
    const { dev, ino } = fstatSync(2, { bigint: true });
    return JOURNAL_STREAM === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** A line for a stderr that is the journal, which reads the priority and removes it. */
export function prefixed(level: JournalLevel, message: string): string {
  return `<${PRIORITIES[level]}>${message}`;
}

/** The connection to the journal, for entries with fields. */
export class Journal implements Disposable {
  readonly #socket: UnixDatagram;

  private constructor(socket: UnixDatagram) {
    this.#socket = socket;
  }

  /** Connects to the journal of this machine; `undefined` if there is none. */
  static open(address = JOURNAL_SOCKET): Journal | undefined {
    try {
      return new Journal(UnixDatagram.open(address));
    } catch {
      return undefined;
    }
  }

  /**
   * Sends an entry.
   *
   * @throws {Error} if the journal does not accept it.
   */
  async send(line: JournalLine): Promise<void> {
    await this.#socket.send(journalEntry(line));
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/**
 * Encodes an entry in the journal's own protocol; the field `waitsFor` becomes
 * `KAT_WAITS_FOR`. Control characters are escaped, because journalctl prints most
 * of them as they are.
 */
export function journalEntry(
  { level, component, message, fields }: JournalLine,
): Uint8Array {
  const own = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => [fieldName(name), valueText(value)] as const);
  return concat([
    ["MESSAGE", escapeLines(message)],
    ["PRIORITY", String(PRIORITIES[level])],
    ["SYSLOG_IDENTIFIER", "kat-agent"],
    ["KAT_COMPONENT", component],
    ...own,
  ]);
}

function fieldName(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();
  return `KAT_${words.replace(/[^A-Z0-9_]/g, "_")}`.slice(0, MAX_NAME);
}

function valueText(value: unknown): string {
  return typeof value === "object" ? toJson(value) : escapeLines(String(value));
}

/** Puts each field on a line; a value with line breaks is preceded by its length. */
function concat(fields: readonly (readonly [string, string])[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts = fields.flatMap(([name, value]) => {
    if (!value.includes("\n")) return [encoder.encode(`${name}=${value}\n`)];
    const bytes = encoder.encode(`${value}\n`);
    const length = new DataView(new ArrayBuffer(8));
    length.setBigUint64(0, BigInt(bytes.length - 1), true);
    return [
      encoder.encode(`${name}\n`),
      new Uint8Array(length.buffer),
      bytes,
    ];
  });
  const all = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}
