/**
 * Replaces, moves and removes files of this user's, in directories that only
 * root and this user can change. A link with such a name is itself replaced,
 * moved or removed, never what it leads to.
 *
 * @module
 */

import { dirname } from "node:path";
import { checkedPath, type CheckedPathOptions } from "./checked_path.ts";
import { createOwn, ownFilePath } from "./open_own.ts";

/** Options of {@linkcode writeOwn}. */
export interface WriteOwnOptions extends CheckedPathOptions {
  /** The file's mode. @default {0o600} */
  readonly mode?: number | undefined;
}

/**
 * Replaces `path` whole or not at all, also in a power cut: a new file beside
 * it, fsync, rename, fsync of the directory.
 *
 * @throws {KatError} if another user can change what leads to it.
 * @throws {Error} as the file system says; the old file is then untouched.
 */
export async function writeOwn(
  path: string,
  content: string | Uint8Array,
  { mode = 0o600, within }: WriteOwnOptions = {},
): Promise<void> {
  const real = await ownFilePath(path, { within, changes: true });
  const temporary = `${real}.${crypto.randomUUID()}.tmp`;
  const bytes = typeof content === "string"
    ? new TextEncoder().encode(content)
    : content;
  try {
    {
      using file = await createOwn(temporary, { mode, within });
      for (let written = 0; written < bytes.length;) {
        written += await file.write(bytes.subarray(written));
      }
      await file.sync();
    }
    await Deno.rename(temporary, real);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await syncOwnDir(dirname(real), { within });
}

/**
 * Gives a file or directory another name, on the same file system.
 *
 * @throws {KatError} if another user can change what leads to either.
 * @throws {Error} as the file system says.
 */
export async function moveOwn(
  from: string,
  to: string,
  { within }: CheckedPathOptions = {},
): Promise<void> {
  const [source, target] = [
    await ownFilePath(from, { within, changes: true }),
    await ownFilePath(to, { within, changes: true }),
  ];
  await Deno.rename(source, target);
}

/** Options of {@linkcode removeOwn}. */
export interface RemoveOwnOptions extends CheckedPathOptions {
  /** Whether to remove a directory with all that is in it. @default {false} */
  readonly recursive?: boolean | undefined;
}

/**
 * Removes a file, a link or a directory.
 *
 * @throws {KatError} if another user can change what leads to it.
 * @throws {Error} as the file system says; NotFound if there is none.
 */
export async function removeOwn(
  path: string,
  { recursive = false, within }: RemoveOwnOptions = {},
): Promise<void> {
  const real = await ownFilePath(path, { within, changes: true });
  await Deno.remove(real, { recursive });
}

/** Makes renames and new names in `path` survive a power cut. */
export async function syncOwnDir(
  path: string,
  options: CheckedPathOptions = {},
): Promise<void> {
  using directory = await Deno.open(await checkedPath(path, options));
  await directory.sync();
}
