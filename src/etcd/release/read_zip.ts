/**
 * Reads a zip archive by its directory, one entry at a time.
 *
 * @module
 */

// @ts-types="@types/yauzl"
import * as yauzl from "yauzl";
import type { ArchivedFile } from "./archived_file.ts";

/** The bits of a Unix mode that say what kind of file it is, and those of a plain one. */
const MODE_KIND = 0o170000;
const MODE_PLAIN = 0o100000;

/**
 * Yields the entries of a zip file.
 *
 * @throws {Error} if it is no zip archive, or is cut off, or a name in it is
 * absolute or leads upwards.
 */
export async function* readZip(path: string): AsyncGenerator<ArchivedFile> {
  const zip = await yauzl.openPromise(path, { autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      // Archives made on systems without Unix modes say nothing: 0.
      const kind = entry.externalFileAttributes >>> 16 & MODE_KIND;
      yield {
        name: entry.fileName,
        plain: kind === MODE_PLAIN || kind === 0,
        contents: () => zip.openReadStreamPromise(entry),
      };
    }
  } finally {
    zip.close();
  }
}
