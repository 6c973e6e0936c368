/**
 * Reads etcd's programs out of one of its archives, a `.tar.gz` or a `.zip`, and
 * nothing else.
 *
 * A name in an archive never becomes a path: an entry is taken only if its name
 * is one of the wanted ones.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
// @ts-types="@types/yauzl"
import * as yauzl from "yauzl";
import { KatError, messageOf } from "../../base/errors.ts";
import { piecesOf } from "./file_pieces.ts";
import { type ArchivedFile, readTar } from "./read_tar.ts";

/** The most bytes that one unpacked program may have; etcd has 27 MB. */
export const MAX_PROGRAM_BYTES: number = 512 * 2 ** 20;
/** A zip file is read into memory, for its list of entries is at its end. */
const MAX_ZIP_BYTES = 256 * 2 ** 20;

/** The bits of a Unix mode that hold the kind of the file, and their value for a plain file. */
const MODE_KIND = 0o170000;
const MODE_PLAIN = 0o100000;

/** Options of {@linkcode archivePrograms}. */
export interface ArchiveOptions {
  /** The directory in the archive that holds the files. */
  readonly directory: string;
  /** The files of that directory to take, as far as they are in it. */
  readonly names: readonly string[];
  /** The most bytes that one file may have. @default {536870912} */
  readonly maxBytes?: number | undefined;
  /** Ends the work; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A program in an archive. */
export interface ArchivedProgram {
  /** One of the wanted names. */
  readonly name: string;
  /** Its content; to be read whole before the next program is asked for. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** An archive that has been opened; its path decides on the format. */
export interface OpenArchive {
  /** For messages, and for its extension. */
  readonly path: string;
  /** Read from its present position on. */
  readonly file: Deno.FsFile;
}

/**
 * Yields the wanted programs.
 *
 * @throws {KatError} if it is not such an archive, or a wanted file is in it
 * twice, is not a plain file, or is too long.
 */
export async function* archivePrograms(
  { path, file }: OpenArchive,
  { directory, names, maxBytes = MAX_PROGRAM_BYTES, signal }: ArchiveOptions,
): AsyncGenerator<ArchivedProgram> {
  const taken = new Set<string>();
  const refusal = (reason: string, cause?: unknown) =>
    new KatError(`Cannot unpack ${JSON.stringify(path)}: ${reason}`, {
      hint: "Use an archive that the etcd project published",
      cause,
    });
  const entries = path.endsWith(".zip") ? readZip(file) : readTarGz(file);
  for await (const entry of readable(entries, refusal)) {
    signal?.throwIfAborted();
    const name = names.find((name) => entry.name === `${directory}/${name}`);
    if (name === undefined) continue;
    if (!entry.isPlainFile) throw refusal(`its ${name} is not a plain file`);
    if (taken.has(name)) throw refusal(`it holds ${name} twice`);
    taken.add(name);
    const pieces = bounded(readable(contentsOf(entry), refusal), {
      maxBytes,
      tooLong: () => refusal(`its ${name} has more than ${maxBytes} bytes`),
      signal,
    });
    yield { name, pieces };
  }
}

type Refusal = (reason: string, cause?: unknown) => KatError;

async function* bounded(
  pieces: AsyncIterable<Uint8Array>,
  { maxBytes, tooLong, signal }: {
    readonly maxBytes: number;
    readonly tooLong: () => KatError;
    readonly signal: AbortSignal | undefined;
  },
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    size += piece.length;
    if (size > maxBytes) throw tooLong();
    yield piece;
  }
}

async function* readTarGz(file: Deno.FsFile): AsyncGenerator<ArchivedFile> {
  const packed = Readable.from(piecesOf(file));
  const gunzip = createGunzip();
  packed.on("error", (error) => gunzip.destroy(error));
  try {
    yield* readTar(packed.pipe(gunzip));
  } finally {
    packed.destroy();
    gunzip.destroy();
  }
}

/** Yields the entries of a zip file; yauzl refuses names that are absolute or lead upwards. */
async function* readZip(file: Deno.FsFile): AsyncGenerator<ArchivedFile> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const piece of piecesOf(file)) {
    size += piece.length;
    if (size > MAX_ZIP_BYTES) throw new Error("it is too long");
    parts.push(piece);
  }
  const zip = await yauzl.fromBufferPromise(Buffer.concat(parts));
  for await (const entry of zip.eachEntry()) {
    // Archives made on a system without Unix modes have 0 here.
    const kind = entry.externalFileAttributes >>> 16 & MODE_KIND;
    yield {
      name: entry.fileName,
      isPlainFile: kind === MODE_PLAIN || kind === 0,
      contents: () => contentsIn(zip, entry),
    };
  }
}

function contentsIn(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => {
      if (error) return reject(error);
      // Of memory it can fail before a reader listens, who is told all the same.
      stream.on("error", () => {});
      resolve(stream);
    });
  });
}

async function* contentsOf(entry: ArchivedFile): AsyncGenerator<Uint8Array> {
  yield* await entry.contents();
}

/** Turns errors of reading the archive into a refusal. */
async function* readable<T>(
  source: AsyncIterable<T>,
  refusal: Refusal,
): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    throw refusal(messageOf(error), error);
  }
}
