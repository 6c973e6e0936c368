/**
 * Takes etcd's programs out of one of its archives, a `.tar.gz` or a `.zip`, and
 * nothing else.
 *
 * A name in an archive never becomes a path: a file is taken only if its name
 * is one of the wanted ones, and is written as a new file under that name.
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

/** The most bytes that one unpacked program may have; etcd has 27 MB. */
export const MAX_PROGRAM_BYTES: number = 512 * 2 ** 20;

/** The bits of a Unix mode that hold the kind of the file, and their value for a plain file. */
const MODE_KIND = 0o170000;
const MODE_PLAIN = 0o100000;

/** What identifies the content of a file, to find damage later. */
export interface FileChecksum {
  /** Its length in bytes. */
  readonly size: number;
  /** Its SHA-256, in lowercase hex. */
  readonly sha256: string;
}

/** Options of {@linkcode unpackArchive}. */
export interface UnpackOptions {
  /** The directory in the archive that holds the files. */
  readonly directory: string;
  /** The files of that directory to take, as far as they are in it. */
  readonly names: readonly string[];
  /** The directory to write them to, under the same names. */
  readonly into: string;
  /** The most bytes that one file may have. @default {536870912} */
  readonly maxBytes?: number | undefined;
  /** Ends the work; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Unpacks a `.zip` or `.tar.gz`. Returns the files it took, by name: they are
 * durable, with mode 0600. If it throws, some of them may be there.
 *
 * @throws {KatError} if it is not such an archive, or a wanted file is in it
 * twice, is not a plain file, or is too long.
 * @throws {Error} as the file system says, if a file cannot be written.
 */
export async function unpackArchive(
  path: string,
  options: UnpackOptions,
): Promise<ReadonlyMap<string, FileChecksum>> {
  const {
    directory,
    names,
    into,
    maxBytes = MAX_PROGRAM_BYTES,
    signal,
  } = options;
  const taken = new Map<string, FileChecksum>();
  const refusal = (reason: string, cause?: unknown) =>
    new KatError(`Cannot unpack ${JSON.stringify(path)}: ${reason}`, {
      hint: "Use an archive that the etcd project published",
      cause,
    });
  const entries = path.endsWith(".zip") ? readZip(path) : readTarGz(path);
  for await (const entry of readable(entries, refusal)) {
    signal?.throwIfAborted();
    const name = names.find((name) => entry.name === `${directory}/${name}`);
    if (name === undefined) continue;
    if (!entry.isPlainFile) throw refusal(`its ${name} is not a plain file`);
    if (taken.has(name)) throw refusal(`it holds ${name} twice`);
    const checksum = await write(join(into, name), {
      pieces: readable(contentsOf(entry), refusal),
      maxBytes,
      tooLong: () => refusal(`its ${name} has more than ${maxBytes} bytes`),
      signal,
    });
    taken.set(name, checksum);
  }
  return taken;
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
): Promise<FileChecksum> {
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

/** Yields the entries of a zip file; yauzl refuses names that are absolute or lead upwards. */
async function* readZip(path: string): AsyncGenerator<ArchivedFile> {
  const zip = await yauzl.openPromise(path, { autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      // Archives made on a system without Unix modes have 0 here.
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

/** Turns errors of reading the archive into a refusal; errors of writing a file stay as they are. */
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
