/**
 * A file that is being written, with the SHA-256 of what it holds so far.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { createOwn } from "../../base/files/open_own.ts";
import { removeOwn } from "../../base/files/write_own.ts";

/** A new file; disposing removes it, unless {@linkcode PartialFile.keep} was called. */
export class PartialFile implements AsyncDisposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #hash: Hash = createHash("sha256");
  #size = 0;
  #kept = false;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /** Makes an empty file with mode 0600; it must not exist yet. */
  static async create(path: string): Promise<PartialFile> {
    return new PartialFile(path, await createOwn(path));
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  /** The SHA-256 of what was written so far, in lowercase hex. */
  sha256(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Writes at the end. */
  async append(piece: Uint8Array): Promise<void> {
    let written = 0;
    while (written < piece.length) {
      written += await this.#file.write(piece.subarray(written));
    }
    this.#hash.update(piece);
    this.#size += piece.length;
  }

  /** Empties the file, to begin again. */
  async restart(): Promise<void> {
    await this.#file.truncate(0);
    await this.#file.seek(0, Deno.SeekMode.Start);
    this.#hash = createHash("sha256");
    this.#size = 0;
  }

  /** Makes the content durable, and keeps the file when this is disposed. */
  async keep(): Promise<void> {
    await this.#file.sync();
    this.#kept = true;
  }

  /** Closes the file, and removes it unless it was kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
    if (!this.#kept) await removeOwn(this.#path);
  }
}
