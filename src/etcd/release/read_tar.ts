/**
 * Reads a tar archive front to back, one entry at a time, in bounded memory.
 *
 * `tar` decodes the headers. Its own parser is not used: it pushes entries to
 * listeners, and after a listener failed it never reports an end.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Header } from "tar";

/** One entry of an archive, whatever its format. */
export interface ArchivedFile {
  /** The whole name, as the archive says it. */
  readonly name: string;
  /** Whether it is a plain file: no directory, no link, no device. */
  readonly isPlainFile: boolean;
  /** Begins to read the content; at most once, and before the next entry. */
  readonly contents: () => Promise<AsyncIterable<Uint8Array>>;
}

const BLOCK = 512;

/**
 * Yields the entries of a tar stream that is no longer compressed. Extended
 * headers are skipped, so names of more than 100 bytes are cut.
 *
 * The contents of an entry can be read until the next one is asked for.
 *
 * @throws {Error} if it is not a tar archive, or is incomplete.
 */
export async function* readTar(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<ArchivedFile> {
  const source = new ByteSource(pieces);
  while (true) {
    const block = await source.exactly(BLOCK);
    const header = new Header(Buffer.from(block));
    if (header.nullBlock) return await source.drain();
    const size = header.size ?? 0;
    if (!header.cksumValid || header.path === undefined || size < 0) {
      throw new Error("it is not a tar archive");
    }
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    const end = source.position + padded;
    const contents = source.upTo(source.position + size);
    yield {
      name: header.path,
      isPlainFile: header.type === "File" || header.type === "OldFile",
      contents: () => Promise.resolve(contents),
    };
    for await (const _ of source.upTo(end));
  }
}

/** A stream of pieces, read in portions of the caller's size. */
class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();
  #position = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The number of bytes that were read. */
  get position(): number {
    return this.#position;
  }

  /** Reads everything before the position `end`. */
  async *upTo(end: number): AsyncGenerator<Uint8Array> {
    while (this.#position < end) {
      if (this.#rest.length === 0 && !await this.#refill()) {
        throw new Error("it is incomplete");
      }
      const piece = this.#rest.subarray(0, end - this.#position);
      this.#rest = this.#rest.subarray(piece.length);
      this.#position += piece.length;
      yield piece;
    }
  }

  /** Reads the next `count` bytes. */
  async exactly(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    const start = this.#position;
    for await (const piece of this.upTo(start + count)) {
      bytes.set(piece, this.#position - start - piece.length);
    }
    return bytes;
  }

  /** Reads what comes after the archive, so that a damaged end is found. */
  async drain(): Promise<void> {
    while (await this.#refill());
  }

  async #refill(): Promise<boolean> {
    const { done, value } = await this.#pieces.next();
    if (done === true) return false;
    this.#rest = value;
    return true;
  }
}
