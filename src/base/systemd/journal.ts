/**
 * systemd's journal as the reader of the log: priorities, and fields to search
 * by.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { UnixDatagram } from "./unix_datagram.ts";

/** Where the journal takes entries with fields. */
export const JOURNAL_SOCKET = "/run/systemd/journal/socket";
/** The journal drops names that are longer. */
const MAX_NAME = 64;

/** Priorities of syslog(3), as the journal sorts by. */
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

/** What one entry is made from. */
export interface JournalLine {
  /** Its level. */
  readonly level: JournalLevel;
  /** The room that logs. */
  readonly room: string;
  /** What a person reads. */
  readonly message: string;
  /** What can be searched for besides. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Whether this process's stderr goes to the journal, and nowhere else. */
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

/** A line for the journal's end of stderr: it takes the priority off. */
export function prefixed(level: JournalLevel, message: string): string {
  return `<${PRIORITIES[level]}>${message}`;
}

/** Sends entries with fields. */
export class Journal implements Disposable {
  readonly #socket: UnixDatagram;

  private constructor(socket: UnixDatagram) {
    this.#socket = socket;
  }

  /** The journal of this machine; `undefined` where it cannot be spoken to. */
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
   * @throws {Error} if the journal does not take it; it is then not in it.
   */
  async send(line: JournalLine): Promise<void> {
    await this.#socket.send(journalEntry(line));
  }

  /** Closes the way there. */
  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/** An entry in the journal's own protocol; `waitsFor` becomes `KAT_WAITS_FOR`. */
export function journalEntry(
  { level, room, message, fields }: JournalLine,
): Uint8Array {
  const own = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => [fieldName(name), plainValue(value)] as const);
  return concat([
    ["MESSAGE", message],
    ["PRIORITY", String(PRIORITIES[level])],
    ["SYSLOG_IDENTIFIER", "kat-agent"],
    ["KAT_ROOM", room],
    ...own,
  ]);
}

function fieldName(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();
  return `KAT_${words.replace(/[^A-Z0-9_]/g, "_")}`.slice(0, MAX_NAME);
}

function plainValue(value: unknown): string {
  return typeof value === "object"
    ? JSON.stringify(
      value,
      (_, inner) => typeof inner === "bigint" ? inner.toString() : inner,
    )
    : String(value);
}

/** Each field on a line; one that holds line breaks with its length before it. */
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
