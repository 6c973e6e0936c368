/**
 * The content of an open file, and its checksum.
 *
 * @module
 */

import { createHash } from "node:crypto";

const PIECE_BYTES = 256 * 1024;

/** What identifies the content of a file. */
export interface FileChecksum {
  /** Its length in bytes. */
  readonly size: number;
  /** Its SHA-256, in lowercase hex. */
  readonly sha256: string;
}

/** Yields an open file from its position on, in pieces that may be kept. */
export async function* piecesOf(
  file: Deno.FsFile,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  while (true) {
    const piece = new Uint8Array(PIECE_BYTES);
    const count = await file.read(piece);
    if (count === null) return;
    yield piece.subarray(0, count);
  }
}

/** Options of {@linkcode checksumOf}. */
export interface ChecksumOptions {
  /** Ends the reading; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Reads all pieces and returns their checksum. */
export async function checksumOf(
  pieces: AsyncIterable<Uint8Array>,
  { signal }: ChecksumOptions = {},
): Promise<FileChecksum> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    hash.update(piece);
    size += piece.length;
  }
  return { size, sha256: hash.digest("hex") };
}
