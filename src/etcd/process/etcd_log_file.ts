/**
 * The file that etcd writes its log to: bounded, and readable from where the
 * present start began.
 *
 * A file and never a pipe: a pipe that nobody drains stops etcd, and one whose
 * reader has died ends it.
 *
 * @module
 */

import { type FileHandle, open } from "node:fs/promises";
import { KatError } from "../../base/errors.ts";

/** Options of {@linkcode EtcdLogFile.open}. */
export interface EtcdLogFileOptions {
  /** The size from which {@linkcode EtcdLogFile.rotate} makes room, in bytes. */
  readonly limitBytes?: number | undefined;
}

/** With the copy of the same size, 32 MiB of disk; about 60,000 lines each. */
const LIMIT_BYTES = 16 * 1024 ** 2;
/** What is read to find out why etcd ended; a panic's trace is a tenth of it. */
const TAIL_BYTES = 256 * 1024;

/** One etcd's log, over one start. */
export class EtcdLogFile {
  /** Where it is. */
  readonly path: string;
  readonly #limitBytes: number;
  /** Where the lines of this start begin. */
  #start: number;

  private constructor(path: string, limitBytes: number, start: number) {
    this.path = path;
    this.#limitBytes = limitBytes;
    this.#start = start;
  }

  /**
   * Makes the file (mode 0600) or takes it up at its end, in bounds again.
   *
   * @throws {KatError} if it cannot be written.
   */
  static async open(
    path: string,
    { limitBytes = LIMIT_BYTES }: EtcdLogFileOptions = {},
  ): Promise<EtcdLogFile> {
    try {
      await (await open(path, "a", 0o600)).close();
      const file = new EtcdLogFile(path, limitBytes, 0);
      await file.rotate();
      file.#start = (await Deno.stat(path)).size;
      return file;
    } catch (error) {
      throw new KatError(`Cannot write etcd's log ${JSON.stringify(path)}`, {
        cause: error,
        hint: "Check the directory, its owner and the space on the disk",
      });
    }
  }

  /** Opens the file for a child to append to; whoever appends follows when it is emptied. */
  openForAppend(): Promise<FileHandle> {
    return open(this.path, "a", 0o600);
  }

  /**
   * Copies a file above the limit to `PATH.1` and empties it in place, which
   * its writer does not notice because it appends. Lines written between the
   * copy and the emptying are lost; so is all of it if there is no room for
   * the copy, for a log must not be what fills the disk.
   */
  async rotate(): Promise<void> {
    if ((await Deno.stat(this.path)).size <= this.#limitBytes) return;
    const copy = `${this.path}.1`;
    await Deno.copyFile(this.path, copy)
      .catch(() => Deno.remove(copy).catch(() => {}));
    await Deno.truncate(this.path, 0);
    this.#start = 0;
  }

  /** Returns the lines of this start, the last 256 KiB of them; none if the file is gone. */
  lines(): Promise<string[]> {
    return readLogTail(this.path, this.#start);
  }
}

/** Returns the lines from a position on, the last 256 KiB of them; none if there is no such file. */
export async function readLogTail(
  path: string,
  start = 0,
): Promise<string[]> {
  try {
    using file = await Deno.open(path);
    const { size } = await file.stat();
    const from = Math.max(start, size - TAIL_BYTES);
    await file.seek(from, Deno.SeekMode.Start);
    const bytes = new Uint8Array(Math.max(0, size - from));
    let length = 0;
    while (length < bytes.length) {
      const count = await file.read(bytes.subarray(length));
      if (count === null) break;
      length += count;
    }
    return new TextDecoder().decode(bytes.subarray(0, length))
      .split("\n").filter((line) => line.trim() !== "");
  } catch {
    return [];
  }
}
