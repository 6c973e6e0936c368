/**
 * Takes etcd's programs out of one of its archives and writes each as a new file
 * under its own name.
 *
 * @module
 */

import { join } from "node:path";
import { openOwn } from "../../base/files/open_own.ts";
import { type ArchiveOptions, archivePrograms } from "./archive_programs.ts";
import type { FileChecksum } from "./file_pieces.ts";
import { PartialFile } from "./partial_file.ts";

/** Options of {@linkcode unpackArchive}. */
export interface UnpackOptions extends ArchiveOptions {
  /** The directory to write them to, under the same names. */
  readonly into: string;
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
  { into, ...options }: UnpackOptions,
): Promise<ReadonlyMap<string, FileChecksum>> {
  const taken = new Map<string, FileChecksum>();
  using file = await openOwn(path);
  for await (const program of archivePrograms({ path, file }, options)) {
    await using copy = await PartialFile.create(join(into, program.name));
    for await (const piece of program.pieces) await copy.append(piece);
    await copy.keep();
    taken.set(program.name, { size: copy.size, sha256: copy.sha256() });
  }
  return taken;
}
