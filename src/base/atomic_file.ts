/**
 * Files that are there whole or not at all, also after a power cut.
 *
 * @module
 */

import { dirname } from "node:path";

/** Options of {@linkcode writeFileAtomic}. */
export interface WriteFileAtomicOptions {
  /** The file's mode; 0600 unless said otherwise. */
  readonly mode?: number;
}

/** Whether a name is one that {@linkcode writeFileAtomic} leaves when it is killed. */
export function isTemporary(name: string): boolean {
  return /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/.test(name);
}

/**
 * Replaces `path` with `text`: temporary file beside it, fsync, rename, fsync
 * of the directory. A reader sees the old text or the new one.
 *
 * @throws {Error} as the file system says; the old file is then untouched.
 */
export async function writeFileAtomic(
  path: string,
  text: string,
  { mode = 0o600 }: WriteFileAtomicOptions = {},
): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    {
      using file = await Deno.open(temporary, {
        write: true,
        createNew: true,
        mode,
      });
      const bytes = new TextEncoder().encode(text);
      for (let written = 0; written < bytes.length;) {
        written += await file.write(bytes.subarray(written));
      }
      await file.sync();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes renames and new names in `path` survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  using directory = await Deno.open(path, { read: true });
  await directory.sync();
}
