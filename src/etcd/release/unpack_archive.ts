/**
 * Takes etcd's programs out of one of its archives, and nothing else.
 *
 * Names in an archive never become paths: a file is taken if its name is one
 * of those that were asked for, and written under that name, where there must
 * be none yet.
 *
 * @module
 */

import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
// @ts-types="@types/yauzl"
import * as yauzl from "yauzl";
import { KatError, messageOf } from "../../base/errors.ts";
import { PartialFile } from "./partial_file.ts";
import { type ArchivedFile, readTar } from "./read_tar.ts";

/** Bytes that one unpacked program may have; etcd has 27 MB. */
export const MAX_PROGRAM_BYTES: number = 512 * 2 ** 20;

/** The bits of a Unix mode that say what kind of file it is, and those of a plain one. */
const MODE_KIND = 0o170000;
const MODE_PLAIN = 0o100000;

/** What a file on disk must be to count as undamaged. */
export interface FileSeal {
  /** Its length in bytes. */
  readonly size: number;
  /** Its SHA-256, in lowercase hex. */
  readonly sha256: string;
}

/** Options of {@linkcode unpackArchive}. */
export interface UnpackOptions {
  /** The one directory in the archive. */
  readonly directory: string;
  /** The files of that directory to take, where they are there. */
  readonly names: readonly string[];
  /** The directory to write them to, under the same names. */
  readonly into: string;
  /** Bytes that one file may have. @default {536870912} */
  readonly maxBytes?: number | undefined;
  /** Ends the work; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Unpacks a `.zip` or `.tar.gz`. Returns what was taken; all of it is on disk,
 * with mode 0600. If the promise rejects, some files may be there.
 *
 * @throws {KatError} if it is no such archive, or one of the names is there
 * twice, or is no plain file, or is too long.
 * @throws {Error} as the file system says, if a file cannot be written.
 */
export async function unpackArchive(
  path: string,
  options: UnpackOptions,
): Promise<ReadonlyMap<string, FileSeal>> {
  const {
    directory,
    names,
    into,
    maxBytes = MAX_PROGRAM_BYTES,
    signal,
  } = options;
  const seals = new Map<string, FileSeal>();
  const refusal = (reason: string, cause?: unknown) =>
    new KatError(`Cannot unpack ${JSON.stringify(path)}: ${reason}`, {
      hint: "Use an archive that etcd's makers published",
      cause,
    });
  const entries = path.endsWith(".zip") ? readZip(path) : readTarGz(path);
  for await (const entry of readable(entries, refusal)) {
    signal?.throwIfAborted();
    const name = names.find((name) => entry.name === `${directory}/${name}`);
    if (name === undefined) continue;
    if (!entry.isPlainFile) throw refusal(`its ${name} is not a plain file`);
    if (seals.has(name)) throw refusal(`its ${name} is there twice`);
    const seal = await write(join(into, name), {
      pieces: readable(contentsOf(entry), refusal),
      maxBytes,
      tooLong: () => refusal(`its ${name} has more than ${maxBytes} bytes`),
      signal,
    });
    seals.set(name, seal);
  }
  return seals;
}

type Refusal = (reason: string, cause?: unknown) => KatError;

interface WriteOptions {
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly maxBytes: number;
  readonly tooLong: () => KatError;
  readonly signal: AbortSignal | undefined;
}

async function write(
  path: string,
  { pieces, maxBytes, tooLong, signal }: WriteOptions,
): Promise<FileSeal> {
  await using file = await PartialFile.create(path);
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    if (file.size + piece.length > maxBytes) throw tooLong();
    await file.append(piece);
  }
  await file.keep();
  return { size: file.size, sha256: file.sha256() };
}

async function* readTarGz(path: string): AsyncGenerator<ArchivedFile> {
  const file = createReadStream(path);
  const gunzip = createGunzip();
  file.on("error", (error) => gunzip.destroy(error));
  try {
    yield* readTar(file.pipe(gunzip));
  } finally {
    file.destroy();
    gunzip.destroy();
  }
}

/** A name in it that is absolute or leads upwards is an error, too. */
async function* readZip(path: string): AsyncGenerator<ArchivedFile> {
  const zip = await yauzl.openPromise(path, { autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      // Archives made on systems without Unix modes say nothing: 0.
      const kind = entry.externalFileAttributes >>> 16 & MODE_KIND;
      yield {
        name: entry.fileName,
        isPlainFile: kind === MODE_PLAIN || kind === 0,
        contents: () => zip.openReadStreamPromise(entry),
      };
    }
  } finally {
    zip.close();
  }
}

async function* contentsOf(entry: ArchivedFile): AsyncGenerator<Uint8Array> {
  yield* await entry.contents();
}

/** Tells an archive that cannot be read from a file that cannot be written: only reading throws in here. */
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
