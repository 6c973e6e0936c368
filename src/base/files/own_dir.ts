/**
 * Makes directories of this user's, or of the one that a service is to run as.
 *
 * @module
 */

import { constants, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { KatError, messageOf } from "../errors.ts";
import {
  checkedPath,
  type CheckedPathOptions,
  lookAtPath,
} from "./checked_path.ts";

/** How often a directory that others make and remove meanwhile is tried again. */
const TRIES = 3;

/** A user and a group by their numbers. */
export interface Owner {
  /** The user. */
  readonly uid: number;
  /** The group. */
  readonly gid: number;
}

/** Options of {@linkcode makeOwnDir}. */
export interface MakeOwnDirOptions extends CheckedPathOptions {
  /** The mode of what is made, whatever the umask is. @default {0o700} */
  readonly mode?: number | undefined;
  /** The mode of missing directories above it. @default {as `mode`} */
  readonly parentMode?: number | undefined;
  /** To whom a new one is handed over; one that is there must be theirs. */
  readonly owner?: Owner | undefined;
}

/**
 * Makes the directory `path` if need be, with those above it, which stay this
 * user's. One that is there already is not changed. Returns it without links.
 *
 * @throws {KatError} if another user can change it or what leads to it, or one
 * that is there is not the owner's.
 * @throws {Error} as the file system says.
 */
export async function makeOwnDir(
  path: string,
  options: MakeOwnDirOptions = {},
): Promise<string> {
  const { owner, within } = options;
  for (let tries = 1;; tries += 1) {
    // Existence and owner from one look: in a sticky directory, names come and go.
    const { path: real, entry } = await lookAtPath(path, {
      within,
      owner: owner?.uid,
    });
    if (entry?.isDirectory) return real;
    if (entry !== undefined) throw notUsable(real, "it is not a directory");
    try {
      await make(real, options);
      return real;
    } catch (error) {
      // Another agent was faster, or another user: look again whose it is.
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      if (tries < TRIES) continue;
      throw notUsable(real, "another process makes and removes it");
    }
  }
}

/** Makes a directory where nothing was, and those above it. */
async function make(
  path: string,
  { mode = 0o700, parentMode = mode, owner, within }: MakeOwnDirOptions,
): Promise<void> {
  // Also one that is there is looked at: it may have been made meanwhile.
  const above = await makeOwnDir(dirname(path), { mode: parentMode, within });
  const made = join(above, basename(path));
  await Deno.mkdir(made, { mode: owner === undefined ? mode : 0o700 });
  try {
    await settle(made, { mode, owner });
  } catch (error) {
    // A file system with one mode for all, such as FAT: what it gives decides.
    if (owner !== undefined || !isModeRefused(error)) throw error;
  }
}

/** Whether a file system lets this user set no mode. */
export function isModeRefused(error: unknown): boolean {
  return /not permitted|not supported|not implemented/i.test(messageOf(error));
}

/**
 * Closes a directory to all other users, if it is not.
 *
 * @throws {KatError} if another user can change it or what leads to it.
 */
export async function closeOwnDir(path: string): Promise<void> {
  await settle(await checkedPath(path), { mode: 0o700, owner: undefined });
}

/** Sets mode and owner of a directory by its descriptor, which follows no name. */
async function settle(
  path: string,
  { mode, owner }: {
    readonly mode: number;
    readonly owner: Owner | undefined;
  },
): Promise<void> {
  const directory = await open(
    path,
    constants.O_RDONLY | constants.O_DIRECTORY,
  );
  try {
    const [opened, named] = [await directory.stat(), await Deno.lstat(path)];
    if (opened.ino !== named.ino || opened.dev !== named.dev) {
      throw notUsable(path, "it was exchanged meanwhile");
    }
    if ((opened.mode & 0o7777) !== mode) await directory.chmod(mode);
    if (owner !== undefined) await directory.chown(owner.uid, owner.gid);
  } finally {
    await directory.close();
  }
}

function notUsable(path: string, reason: string): KatError {
  return new KatError(`Cannot use ${JSON.stringify(path)}: ${reason}`, {
    hint: "Choose another path",
  });
}
