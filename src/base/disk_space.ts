/**
 * The space on the disk of a directory.
 *
 * @module
 */

import { statfs } from "node:fs/promises";

/** A disk, in bytes. */
export interface DiskSpace {
  /** What is left to this user. */
  readonly freeBytes: number;
  /** All of it. */
  readonly totalBytes: number;
}

/** Asks for the disk that holds `path`; `undefined` if that cannot be told. */
export async function diskSpace(path: string): Promise<DiskSpace | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}
