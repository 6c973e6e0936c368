/**
 * Replaces, moves and removes files of this user's, in directories that only
 * root and this user can change. A link with such a name is itself replaced,
 * moved or removed, never what it leads to.
 *
 * @module
 */

import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  checkedPath,
  type CheckedPathOptions,
  entryAt,
} from "./checked_path.ts";
import { createOwn, isOwnFile, ownFilePath, sameFile } from "./open_own.ts";
import { distrust, PathError } from "./untrusted_path.ts";

/** Options of {@linkcode writeOwn}. */
export interface WriteOwnOptions extends CheckedPathOptions {
  /** The file's mode. @default {0o600} */
  readonly mode?: number | undefined;
}

/** Whether the name is that of a temporary file that a killed {@linkcode writeOwn} left. */
export function isTemporary(name: string): boolean {
  return /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/.test(name);
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
 * Makes `path` whole or not at all, where there must be nothing: as
 * {@linkcode writeOwn}, but a second name for the new file in place of a rename,
 * which would replace what another process has made meanwhile.
 *
 * @throws {KatError} if another user can change what leads to it.
 * @throws {Error} as the file system says; AlreadyExists if there is something.
 */
export async function makeOwn(
  path: string,
  content: string,
  { mode = 0o600, within }: WriteOwnOptions = {},
): Promise<void> {
  const real = await ownFilePath(path, { within, changes: true });
  const temporary = `${real}.${crypto.randomUUID()}.tmp`;
  await writeOwn(temporary, content, { mode, within });
  try {
    await Deno.link(temporary, real).catch(async (error) => {
      if (error instanceof Deno.errors.AlreadyExists) throw error;
      // Some file systems know no second names. Of two processes that come
      // here at once, the later one's file then stays.
      if (await entryAt(real) !== undefined) {
        throw new Deno.errors.AlreadyExists(real);
      }
      await Deno.rename(temporary, real);
    });
  } finally {
    await Deno.remove(temporary).catch(() => {});
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

/**
 * Removes a file or a link directly in `directory`, which was checked before,
 * at once: for what must be done before anything else can happen.
 *
 * @throws {PathError} if another user can change the directory.
 * @throws {Error} as the file system says; NotFound if there is none.
 */
export function removeOwnSync(directory: string, name: string): void {
  const entry = Deno.lstatSync(directory);
  const found = entry.isDirectory
    ? distrust(entry, {
      path: directory,
      user: Deno.uid() ?? -1,
      owner: entry.uid ?? -1,
      root: 0,
    })
    : { reason: "it is not a directory", hint: "Choose another path" };
  const path = join(directory, name);
  if (found !== undefined) {
    throw new PathError(path, { ...found, at: directory });
  }
  Deno.removeSync(path);
}

/**
 * Sets the mode of a file, whatever the umask is, and makes it and its content
 * survive a power cut.
 *
 * @throws {KatError} if another user can change it, or it is none.
 * @throws {Error} as the file system says.
 */
export async function settleOwn(
  path: string,
  { mode, within }: CheckedPathOptions & { readonly mode: number },
): Promise<void> {
  const real = await ownFilePath(path, { within, changes: true });
  await isOwnFile(real, { within });
  const file = await sameFile(await open(real, "r"), real);
  try {
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes renames and new names in `path` survive a power cut. */
export async function syncOwnDir(
  path: string,
  options: CheckedPathOptions = {},
): Promise<void> {
  using directory = await Deno.open(await checkedPath(path, options));
  await directory.sync();
}
