/**
 * The file that etcd writes its log to. It has a bound, and can be read from
 * where the present start of etcd began.
 *
 * It is a file because a pipe would stop etcd when the agent does not read it,
 * and end etcd when the agent has died.
 *
 * Its directory was checked when the node took its place, by a thread that may
 * look above it.
 *
 * @module
 */

import { dirname } from "node:path";
import { KatError, messageOf } from "../../base/errors.ts";
import { fileTrouble } from "../../base/files/file_trouble.ts";
import {
  createOwn,
  openOwn,
  openOwnForChild,
} from "../../base/files/open_own.ts";
import { removeOwn } from "../../base/files/write_own.ts";

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
  readonly #within: string;
  readonly #limitBytes: number;
  /** The position at which the lines of this start begin. */
  #start: number;

  private constructor(path: string, limitBytes: number, start: number) {
    this.path = path;
    this.#within = dirname(path);
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
      const file = new EtcdLogFile(path, limitBytes, 0);
      await (await file.openForAppend()).close();
      await file.rotate();
      using opened = await openOwn(path, { within: dirname(path) });
      file.#start = (await opened.stat()).size;
      return file;
    } catch (error) {
      if (error instanceof KatError) throw error;
      const { reason, hint } = fileTrouble(error);
      throw new KatError(
        `Cannot write etcd's log ${JSON.stringify(path)}: ${reason}`,
        {
          cause: error,
          hint: hint ??
            (/permission denied/i.test(messageOf(error))
              ? "Give that file to the user that runs kat-agent, with chown, or delete it"
              : "Check the directory, its owner and the space on the disk"),
        },
      );
    }
  }

  /** Opens the file for a child to append to, which goes on writing correctly after it was emptied. */
  openForAppend(): ReturnType<typeof openOwnForChild> {
    return openOwnForChild(this.path, { within: this.#within });
  }

  /**
   * Copies a file above the limit to `PATH.1` and empties it. etcd goes on
   * writing, because it appends. Lines that it writes between the two steps are
   * lost. If there is no space for the copy, the log is lost: it must not fill the
   * disk.
   */
  async rotate(): Promise<void> {
    const within = this.#within;
    using file = await openOwn(this.path, { write: true, within });
    if ((await file.stat()).size <= this.#limitBytes) return;
    const copy = `${this.path}.1`;
    const remove = () => removeOwn(copy, { within }).catch(() => {});
    await remove();
    await copyTo(copy, { file, within }).catch(remove);
    await file.truncate(0);
    this.#start = 0;
  }

  /** Returns the lines of this start, at most the last 256 KiB; none if the file is missing. */
  lines(): Promise<string[]> {
    return readLogTail(this.path, this.#start);
  }
}

async function copyTo(
  path: string,
  { file, within }: { readonly file: Deno.FsFile; readonly within: string },
): Promise<void> {
  using copy = await createOwn(path, { within });
  const piece = new Uint8Array(TAIL_BYTES);
  for (let count; (count = await file.read(piece)) !== null;) {
    for (let written = 0; written < count;) {
      written += await copy.write(piece.subarray(written, count));
    }
  }
}

/** Returns the lines from a position on, at most the last 256 KiB; none if the file is missing. */
export async function readLogTail(
  path: string,
  start = 0,
): Promise<string[]> {
  try {
    using file = await openOwn(path, { within: dirname(path) });
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
