/**
 * A file that grows, and knows its SHA-256 at every moment.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";

/** A new file that is removed when disposed, unless it was kept. */
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

  /** Makes an empty file, mode 0600, where there must be none. */
  static async create(path: string): Promise<PartialFile> {
    const file = await Deno.open(path, {
      write: true,
      createNew: true,
      mode: 0o600,
    });
    return new PartialFile(path, file);
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

  /** Throws everything away that was written. */
  async restart(): Promise<void> {
    await this.#file.truncate(0);
    await this.#file.seek(0, Deno.SeekMode.Start);
    this.#hash = createHash("sha256");
    this.#size = 0;
  }

  /** Puts it on disk for good. */
  async keep(): Promise<void> {
    await this.#file.sync();
    this.#kept = true;
  }

  /** Closes the file, and removes it unless it was kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
    if (!this.#kept) await Deno.remove(this.#path);
  }
}
