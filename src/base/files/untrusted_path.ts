/**
 * Which files and directories are believed, and the error for one that is not.
 *
 * @module
 */

import { KatError } from "../errors.ts";

/** What decides: a part of what `lstat` says. */
export type Entry = Pick<
  Deno.FileInfo,
  "uid" | "gid" | "mode" | "isDirectory" | "isFile" | "isSymlink"
>;

/** The sticky bit: only the owner of a name may rename or remove it. */
const STICKY = 0o1000;
/** What lets the group and all others write. */
const WRITABLE = 0o022;
/** What lets all others write. */
const WRITABLE_BY_ALL = 0o002;

/** Whose files are believed besides root's. */
export interface Trusted {
  /** This user. */
  readonly owner: number;
  /**
   * The group of an ordinary user, who may let it write to directories: where
   * each user has a group of its own, the umask is 002 and all directories are
   * so. Root trusts no group.
   */
  readonly group?: number | undefined;
}

/** Why an entry is not believed, and what would change that. */
export interface Distrust {
  /** A clause, as `it belongs to user 1000`. */
  readonly reason: string;
  /** What the user can do, as one sentence. */
  readonly hint: string;
}

/**
 * Returns why users other than root and `owner` can change an entry;
 * `undefined` if they cannot. The mode also tells of access control lists:
 * its bits for the group are then the most that any list grants.
 */
export function distrust(
  { uid, gid, mode, isDirectory, isSymlink }: Entry,
  { path, owner, group }: Trusted & { readonly path: string },
): Distrust | undefined {
  const shown = JSON.stringify(path);
  if (uid === null || mode === null) {
    return { reason: "its owner cannot be known", hint: "Choose another path" };
  }
  if (uid !== 0 && uid !== owner) {
    return {
      reason: isSymlink
        ? `it is a link of user ${uid}, who can change what it leads to`
        : `it belongs to user ${uid}, and kat-agent runs as user ${owner}`,
      hint: isSymlink
        ? "Give the path that the link leads to"
        : `Choose a path below directories of root or user ${owner}, or hand it over: chown ${owner} ${shown}`,
    };
  }
  // Who owns a link or its directory can replace it; the mode says nothing.
  if (isSymlink || (mode & WRITABLE) === 0) return undefined;
  if (isDirectory && isSticky({ uid, mode })) return undefined;
  const isGroups = isDirectory && uid === owner && owner !== 0 &&
    group !== undefined && gid === group && (mode & WRITABLE_BY_ALL) === 0;
  if (isGroups) return undefined;
  return {
    reason: `other users may write to it (mode ${
      (mode & 0o7777).toString(8).padStart(4, "0")
    })`,
    hint: `Take that right away, if nothing was changed: chmod go-w ${shown}`,
  };
}

/** Whether all may make names in a directory, and remove only their own, as in `/tmp`. */
export function isSticky({ uid, mode }: Pick<Entry, "uid" | "mode">): boolean {
  return uid === 0 && mode !== null && (mode & WRITABLE) !== 0 &&
    (mode & STICKY) !== 0;
}

/** What is wrong with a path: others can change it, it goes through a file, or through a link to nothing. */
export type PathFault = "untrusted" | "not a directory" | "dangling";

/** A path that cannot be used. */
export class PathError extends KatError {
  /** What is wrong with it. */
  readonly fault: PathFault;
  /** The component that it is because of. */
  readonly at: string;
  /** Why, as a clause that begins with `it`. */
  readonly reason: string;

  /** The error for `path`, because of `at`: the path itself or what leads to it. */
  constructor(
    path: string,
    { at, reason, hint, fault = "untrusted" }: Distrust & {
      readonly at: string;
      readonly fault?: PathFault | undefined;
    },
  ) {
    const where = at === path ? "" : `${JSON.stringify(at)} leads to it, and `;
    super(`Cannot use ${JSON.stringify(path)}: ${where}${reason}`, { hint });
    this.fault = fault;
    this.at = at;
    this.reason = reason;
  }
}
