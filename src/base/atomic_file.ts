/**
 * Writes files that are complete or absent, even after a power cut.
 *
 * @module
 */

import { dirname } from "node:path";

/** Options of {@linkcode writeFileAtomic}. */
export interface WriteFileAtomicOptions {
  /** The file's mode. @default {0o600} */
  readonly mode?: number;
}

/** Whether the name is that of a temporary file that a killed {@linkcode writeFileAtomic} left. */
export function isTemporary(name: string): boolean {
  return /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/.test(name);
}

/**
 * Replaces the content of `path` with `text`: writes a temporary file beside it,
 * syncs it, renames it, and syncs the directory. A reader sees the old text or the
 * new one.
 *
 * @throws {Error} as the file system says; the old file is then unchanged.
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

/** Makes the names in the directory `path` durable, also new and renamed ones. */
export async function syncDirectory(path: string): Promise<void> {
  using directory = await Deno.open(path, { read: true });
  await directory.sync();
}
