/**
 * Opens and makes files of this user's: never through a link, never another
 * user's, never a pipe or a device.
 *
 * Deno follows a link in the last component whatever it is told (see
 * `checked_path.ts`). So a file is opened without emptying or making it, and
 * then the open file must be the one that has the name: device and inode as
 * `lstat` says. It is made with `O_EXCL`, which takes no link.
 *
 * @module
 */

import { constants, type FileHandle, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { KatError } from "../errors.ts";
import {
  checkedPath,
  type CheckedPathOptions,
  entryAt,
} from "./checked_path.ts";
import { believedUsers } from "./believed_users.ts";
import { distrust, isSticky, PathError } from "./untrusted_path.ts";

/** Options of {@linkcode openOwn}. */
export interface OpenOwnOptions extends CheckedPathOptions {
  /** Whether to read. @default {true} */
  readonly read?: boolean | undefined;
  /** Whether to write. @default {false} */
  readonly write?: boolean | undefined;
  /** Whether what is written goes to the end. @default {false} */
  readonly append?: boolean | undefined;
  /** The mode of the file that is made if there is none; none is made without. */
  readonly createMode?: number | undefined;
}

/** How often a file that appears and vanishes meanwhile is tried again. */
const TRIES = 3;

/**
 * Opens the file at `path`. It is not emptied; `truncate` of the open file is
 * how to.
 *
 * @throws {KatError} if another user can change it, or it is none.
 * @throws {Error} as the file system says; NotFound if there is none.
 */
export async function openOwn(
  path: string,
  options: OpenOwnOptions = {},
): Promise<Deno.FsFile> {
  const { read = true, write = false, append = false, createMode } = options;
  const real = await ownFilePath(path, {
    ...options,
    changes: write || append || createMode !== undefined,
  });
  for (let tries = 1;; tries += 1) {
    try {
      if (await isOwnFile(real, options)) {
        return await sameFile(
          await Deno.open(real, { read, write, append }),
          real,
        );
      }
      if (createMode !== undefined) {
        return await createOwn(real, {
          mode: createMode,
          read,
          append,
          within: options.within,
        });
      }
      throw new Deno.errors.NotFound(`No such file: ${real}`);
    } catch (error) {
      const isRace = createMode !== undefined && tries < TRIES &&
        (error instanceof Deno.errors.NotFound ||
          error instanceof Deno.errors.AlreadyExists);
      if (!isRace) throw error;
    }
  }
}

/** Options of {@linkcode createOwn}. */
export interface CreateOwnOptions extends CheckedPathOptions {
  /** Its mode. @default {0o600} */
  readonly mode?: number | undefined;
  /** Whether to read as well. @default {false} */
  readonly read?: boolean | undefined;
  /** Whether what is written goes to the end. @default {false} */
  readonly append?: boolean | undefined;
}

/**
 * Makes a file where there must be nothing, not even a link, and opens it for
 * writing.
 *
 * @throws {KatError} if another user can change what leads to it.
 * @throws {Error} as the file system says; AlreadyExists if there is something.
 */
export async function createOwn(
  path: string,
  { mode = 0o600, read = false, append = false, within }: CreateOwnOptions = {},
): Promise<Deno.FsFile> {
  const real = await ownFilePath(path, { within, changes: true });
  const file = await Deno.open(real, {
    createNew: true,
    write: !append,
    append,
    read,
    mode,
  });
  return await sameFile(file, real);
}

/**
 * Opens a file for a child to append to, making it if need be (mode 0600): a
 * `FileHandle`, for a child takes those and no `FsFile`.
 *
 * @throws {KatError} as {@linkcode openOwn}.
 */
export async function openOwnForChild(
  path: string,
  options: CheckedPathOptions = {},
): Promise<FileHandle> {
  const real = await ownFilePath(path, { ...options, changes: true });
  if (!await isOwnFile(real, options)) {
    (await openOwn(real, { ...options, append: true, createMode: 0o600 }))
      .close();
  }
  // Not "a", which would make what a link names.
  const flags = constants.O_WRONLY | constants.O_APPEND;
  return await sameFile(await open(real, flags), real);
}

/** The path of a file with its directory checked; the file itself is not looked at. */
export async function ownFilePath(
  path: string,
  { within, changes }: CheckedPathOptions & {
    /** Whether the file or its name is to be changed. */
    readonly changes: boolean;
  },
): Promise<string> {
  const directory = await checkedPath(dirname(path), { within });
  if (changes) await refuseSticky(path, { directory, within });
  return join(directory, basename(path));
}

/** In a sticky directory a name of root's may be a second one of another file of root's. */
async function refuseSticky(
  path: string,
  { directory, within }: CheckedPathOptions & { readonly directory: string },
): Promise<void> {
  const { root } = await believedUsers(within);
  if (!isSticky(await Deno.lstat(directory), root)) return;
  throw new PathError(path, {
    at: directory,
    reason: "other users may make files in it",
    hint: "Choose a directory of your own",
  });
}

/** Whether there is a file at `path`, whose directory was checked; refuses anything else. */
export async function isOwnFile(
  path: string,
  { within }: CheckedPathOptions,
): Promise<boolean> {
  const entry = await entryAt(path);
  if (entry === undefined) return false;
  const found = entry.isFile
    ? distrust(entry, { path, ...await believedUsers(within) })
    : { reason: whatIs(entry), hint: "Remove it, if nothing needs it" };
  if (found !== undefined) throw new PathError(path, { ...found, at: path });
  return true;
}

function whatIs({ isSymlink, isDirectory }: Deno.FileInfo): string {
  const kind = isSymlink
    ? "a symbolic link"
    : isDirectory
    ? "a directory"
    : "a pipe or a device";
  return `it is not a regular file, but ${kind}`;
}

/** What a file says of itself, whichever of Deno's two kinds it is. */
interface Opened {
  stat(): Promise<
    { readonly dev: number; readonly ino: number | null }
  >;
  close(): void | Promise<void>;
}

/**
 * Returns the open file if it is the one at `path`; closes and refuses it
 * otherwise. Compared after opening: on a layered file system, opening for
 * writing may give a file another inode.
 */
export async function sameFile<File extends Opened>(
  file: File,
  path: string,
): Promise<File> {
  try {
    const [open, named] = [await file.stat(), await Deno.lstat(path)];
    if (
      named.isFile && open.ino !== null && open.ino === named.ino &&
      open.dev === named.dev
    ) {
      return file;
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  throw new KatError(
    `Cannot use ${JSON.stringify(path)}: it was exchanged while it was opened`,
    { hint: "Find out which program changes that directory" },
  );
}
