/**
 * Histories as files: written a line at a time while a run goes on, read and
 * held against the format afterwards.
 *
 * @module
 */

import * as v from "valibot";
import {
  type History,
  type HistoryRecord,
  RECORD_SCHEMA,
  toHistory,
} from "./history.ts";

/** How much is kept back before it is written. */
const BUFFER_CHARS = 64 * 1024;

/** Appends records to a file; disposing writes what is left and closes it. */
export class HistoryWriter implements AsyncDisposable {
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();
  #buffered: string[] = [];
  #chars = 0;
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** Opens a file to append to; it need not exist. */
  static async open(path: string): Promise<HistoryWriter> {
    return new HistoryWriter(
      await Deno.open(path, { create: true, append: true }),
    );
  }

  /** Takes a record; it is in the file after the next {@linkcode flush} at the latest. */
  append(record: HistoryRecord): void {
    const line = JSON.stringify(record) + "\n";
    this.#buffered.push(line);
    this.#chars += line.length;
    if (this.#chars >= BUFFER_CHARS) this.#write();
  }

  /** Resolves when everything taken so far is in the file. @throws what writing threw. */
  async flush(): Promise<void> {
    this.#write();
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Writes what is left and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.#file.close();
    }
  }

  #write(): void {
    const bytes = this.#encoder.encode(this.#buffered.join(""));
    this.#buffered = [];
    this.#chars = 0;
    this.#writing = this.#writing.then(async () => {
      for (let sent = 0; sent < bytes.length;) {
        sent += await this.#file.write(bytes.subarray(sent));
      }
    }).catch((error) => {
      this.#failure ??= error;
    });
  }
}

/**
 * Reads a line.
 *
 * @throws {SyntaxError} if it is not of the format; says what is wrong, and where.
 */
export function parseRecord(line: string): HistoryRecord {
  const parsed = v.safeParse(RECORD_SCHEMA, JSON.parse(line));
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue) ?? "";
  throw new SyntaxError(`Not a record of a history: ${path}: ${issue.message}`);
}

/** Reads a whole file. @throws {SyntaxError} naming the line that is wrong. */
export async function readHistory(path: string): Promise<History> {
  const text = (await Deno.open(path)).readable
    .pipeThrough(new TextDecoderStream());
  const records: HistoryRecord[] = [];
  let number = 0;
  let rest = "";
  const take = (line: string) => {
    number += 1;
    if (line === "") return;
    try {
      records.push(parseRecord(line));
    } catch (cause) {
      throw new SyntaxError(`${path}:${number}: ${(cause as Error).message}`, {
        cause,
      });
    }
  };
  for await (const part of text) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
  }
  take(rest);
  return toHistory(records);
}

/** Values up to this many bytes stand in a history as they are. */
const PLAIN_BYTES = 256;

/**
 * How the bytes of a value are written in a history: short text as it is, and
 * everything else by its SHA-256, so that two values are equal exactly if
 * their texts are.
 */
export async function valueText(bytes: Uint8Array): Promise<string> {
  if (bytes.length <= PLAIN_BYTES) {
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        .decode(bytes);
      if (!text.startsWith("sha256:")) return text;
    } catch {
      // Not UTF-8.
    }
  }
  const digest = await crypto.subtle.digest("SHA-256", Uint8Array.from(bytes));
  return `sha256:${new Uint8Array(digest).toHex()}`;
}
