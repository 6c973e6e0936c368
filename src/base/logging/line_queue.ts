/**
 * Keeps log lines until they are written, while the reader of stderr may be slow,
 * blocked or gone.
 *
 * @module
 */

import { settledWithin } from "../abortable.ts";
import { type Journal, prefixed } from "../systemd/journal.ts";
import type { Line } from "./log_line.ts";

/** The most lines that wait to be written; at about 200 bytes each, 2 MB. */
const QUEUE_LIMIT = 10_000;
/** How long the end of the program waits until the last lines are written. */
const FLUSH_MS = 1_000;

/** Options of {@linkcode LineQueue}. */
export interface LineQueueOptions {
  /** Writes bytes to stderr; its errors are ignored. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Whether lines carry a priority for the journal. */
  readonly prefixes: boolean;
  /** The journal, if it accepts entries with fields. */
  readonly entries: Journal | undefined;
}

/** A queue of lines; when it is full, it drops the oldest. */
export class LineQueue {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #prefixes: boolean;
  readonly #entries: Journal | undefined;
  readonly #encoder = new TextEncoder();
  #waiting: Line[] = [];
  #dropped = 0;
  #draining: Promise<void> | undefined;

  /** An empty queue. */
  constructor({ write, prefixes, entries }: LineQueueOptions) {
    this.#write = write;
    this.#prefixes = prefixes;
    this.#entries = entries;
  }

  /** Adds a line. */
  push(line: Line): void {
    if (this.#waiting.length >= QUEUE_LIMIT) {
      this.#waiting.shift();
      this.#dropped += 1;
    }
    this.#waiting.push(line);
    this.#draining ??= this.#drain();
  }

  /** Waits, for a second at most, until all lines are written. */
  async flush(): Promise<void> {
    if (this.#draining) await settledWithin(this.#draining, FLUSH_MS);
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      if (this.#dropped > 0) {
        const text =
          `(${this.#dropped} log lines dropped: stderr was not read in time)`;
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

  /** Sends lines to the journal; returns those that it did not accept. */
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
