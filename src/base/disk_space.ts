/**
 * Reads the free space on the disk of a directory.
 *
 * @module
 */

import { statfs } from "node:fs/promises";

/** The size of a disk, in bytes. */
export interface DiskSpace {
  /** The space that this user can still use. */
  readonly freeBytes: number;
  /** The whole size. */
  readonly totalBytes: number;
}

/** Returns the space on the disk that holds `path`; `undefined` if it cannot be read. */
export async function diskSpace(path: string): Promise<DiskSpace | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}
