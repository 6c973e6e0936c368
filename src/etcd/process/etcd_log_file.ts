/**
 * The file that etcd writes its log to. It has a bound, and can be read from
 * where the present start of etcd began.
 *
 * It is a file because a pipe would stop etcd when the agent does not read it,
 * and end etcd when the agent has died.
 *
 * @module
 */

import { type FileHandle, open } from "node:fs/promises";
import { KatError, messageOf } from "../../base/errors.ts";

/** Options of {@linkcode EtcdLogFile.open}. */
export interface EtcdLogFileOptions {
  /** The size above which {@linkcode EtcdLogFile.rotate} empties it, in bytes. */
  readonly limitBytes?: number | undefined;
}

/** 16 MiB, about 60,000 lines; with the copy of the same size 32 MiB of disk. */
const LIMIT_BYTES = 16 * 1024 ** 2;
/** How much is read to find out why etcd ended; the trace of a panic is a tenth of it. */
const TAIL_BYTES = 256 * 1024;

/** etcd's log during one start of etcd. */
export class EtcdLogFile {
  /** Its path. */
  readonly path: string;
  readonly #limitBytes: number;
  /** The position at which the lines of this start begin. */
  #start: number;

  private constructor(path: string, limitBytes: number, start: number) {
    this.path = path;
    this.#limitBytes = limitBytes;
    this.#start = start;
  }

  /**
   * Makes the file with mode 0600, or continues an existing one, emptied first
   * if it is above the limit.
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
      throw new KatError(
        `Cannot write etcd's log ${JSON.stringify(path)}: ${messageOf(error)}`,
        {
          cause: error,
          hint: "Check the directory, its owner and the space on the disk",
        },
      );
    }
  }

  /** Opens the file for a child to append to, which goes on writing correctly after it was emptied. */
  openForAppend(): Promise<FileHandle> {
    return open(this.path, "a", 0o600);
  }

  /**
   * Copies a file above the limit to `PATH.1` and empties it. etcd goes on
   * writing, because it appends. Lines that it writes between the two steps are
   * lost. If there is no space for the copy, the log is lost: it must not fill the
   * disk.
   */
  async rotate(): Promise<void> {
    if ((await Deno.stat(this.path)).size <= this.#limitBytes) return;
    const copy = `${this.path}.1`;
    await Deno.copyFile(this.path, copy)
      .catch(() => Deno.remove(copy).catch(() => {}));
    await Deno.truncate(this.path, 0);
    this.#start = 0;
  }

  /** Returns the lines of this start, at most the last 256 KiB; none if the file is missing. */
  lines(): Promise<string[]> {
    return readLogTail(this.path, this.#start);
  }
}

/** Returns the lines from a position on, at most the last 256 KiB; none if the file is missing. */
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
