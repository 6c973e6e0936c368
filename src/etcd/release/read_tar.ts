/**
 * Reads a tar archive front to back, one entry at a time, in bounded memory.
 *
 * `tar` decodes the headers; its own parser pushes entries at whoever listens,
 * which leaves a listener that fails waiting for an end that never comes.
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
 * headers are skipped: names of more than 100 bytes come shortened.
 *
 * The contents of an entry can be read until the next one is asked for.
 *
 * @throws {Error} if it is no tar archive, or is cut off.
 */
export async function* readTar(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<ArchivedFile> {
  const source = new Source(pieces);
  while (true) {
    const block = await source.exactly(BLOCK);
    const header = new Header(Buffer.from(block));
    if (header.nullBlock) return await source.drain();
    const size = header.size ?? 0;
    if (!header.cksumValid || header.path === undefined || size < 0) {
      throw new Error("it is no tar archive");
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

/** Bytes that are asked for instead of coming when they like. */
class Source {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();
  #position = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Bytes given out so far. */
  get position(): number {
    return this.#position;
  }

  /** Gives out everything before `end`. */
  async *upTo(end: number): AsyncGenerator<Uint8Array> {
    while (this.#position < end) {
      if (this.#rest.length === 0 && !await this.#refill()) {
        throw new Error("it is cut off");
      }
      const piece = this.#rest.subarray(0, end - this.#position);
      this.#rest = this.#rest.subarray(piece.length);
      this.#position += piece.length;
      yield piece;
    }
  }

  async exactly(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    const start = this.#position;
    for await (const piece of this.upTo(start + count)) {
      bytes.set(piece, this.#position - start - piece.length);
    }
    return bytes;
  }

  /** Reads what comes after the archive, so that a broken end is noticed. */
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
