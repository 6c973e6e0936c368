/**
 * What etcd's programs must be, told by the archive that they came from: the
 * archive's SHA-256 is known, so what is in it is believed, and nothing else.
 *
 * @module
 */

import { openOwn } from "../../base/files/open_own.ts";
import { archivePrograms } from "./archive_programs.ts";
import type { Program } from "./etcd_binaries.ts";
import { archiveDirectory, type EtcdRelease } from "./etcd_release.ts";
import {
  checksumOf,
  type ChecksumOptions,
  type FileChecksum,
  piecesOf,
} from "./file_pieces.ts";

/** Options of {@linkcode proveFromArchive}. */
export interface ProveOptions extends ChecksumOptions {
  /** The archive that should have the SHA-256. */
  readonly release: EtcdRelease;
  /** The programs that are asked for. */
  readonly programs: readonly Program[];
}

/**
 * Returns the checksums of those programs that are in the archive at `path`;
 * `undefined` if the archive is another one. It is opened once, so that what was
 * compared is what is read.
 *
 * @throws {KatError} if another user can change the archive, or it is none.
 * @throws {Error} as the file system says.
 */
export async function proveFromArchive(
  path: string,
  { release, programs, signal }: ProveOptions,
): Promise<ReadonlyMap<string, FileChecksum> | undefined> {
  using file = await openOwn(path);
  const { sha256 } = await checksumOf(piecesOf(file), { signal });
  if (sha256 !== release.sha256) return undefined;
  await file.seek(0, Deno.SeekMode.Start);
  const proven = new Map<string, FileChecksum>();
  const options = {
    directory: archiveDirectory(release),
    names: programs,
    signal,
  };
  for await (
    const { name, pieces } of archivePrograms({ path, file }, options)
  ) {
    proven.set(name, await checksumOf(pieces, { signal }));
    if (proven.size === programs.length) break;
  }
  return proven;
}
