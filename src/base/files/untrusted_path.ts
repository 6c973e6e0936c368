/**
 * Which files and directories are believed, and the error for one that is not.
 *
 * @module
 */

import { KatError } from "../errors.ts";
import type { Believed } from "./believed_users.ts";

/** What decides: a part of what `lstat` says. */
export type Entry = Pick<
  Deno.FileInfo,
  "uid" | "mode" | "isDirectory" | "isFile" | "isSymlink"
>;

/** The sticky bit: only the owner of a name may rename or remove it. */
const STICKY = 0o1000;
/** What lets the group and all others write. */
const WRITABLE = 0o022;
/** What lets all others write. */
const WRITABLE_BY_ALL = 0o002;

/** Why an entry is not believed, and what would change that. */
export interface Distrust {
  /** A clause, as `it belongs to user 1000`. */
  readonly reason: string;
  /** What the user can do, as one sentence. */
  readonly hint: string;
}

/**
 * Returns why an entry is not believed; `undefined` if it is.
 *
 * Root believes itself only, and no group. An ordinary user believes root and
 * itself also in whom they let write by a group or an access control list (the
 * mode shows both as the group's bits): a directory of the user's group, a volume
 * that a container was given. It believes no other user, who could replace
 * names by links, and so have this user write and delete at other places, and
 * run another program; and no directory that everybody may write to, which is
 * hardly ever meant.
 */
export function distrust(
  { uid, mode, isDirectory, isSymlink }: Entry,
  { path, ...believed }: Believed & { readonly path: string },
): Distrust | undefined {
  const shown = JSON.stringify(path);
  if (uid === null || mode === null) {
    return { reason: "its owner cannot be known", hint: "Choose another path" };
  }
  const { user, owner = user, root } = believed;
  if (![0, root, user, owner].includes(uid)) {
    return {
      reason: isSymlink
        ? `it is a link of user ${uid}, who can change what it leads to`
        : `it belongs to user ${uid}, and kat-agent runs as user ${user}`,
      hint: isSymlink
        ? "Give the path that the link leads to"
        : `Choose a path below directories of root or user ${user}, or hand it over: chown ${user} ${shown}`,
    };
  }
  // Who owns a link or its directory can replace it; the mode says nothing.
  if (isSymlink || (mode & WRITABLE) === 0) return undefined;
  if (isDirectory && isSticky({ uid, mode }, root)) return undefined;
  const isOrdinary = user !== 0 || root !== 0;
  if (isOrdinary && (mode & WRITABLE_BY_ALL) === 0) return undefined;
  const take = `chmod ${isOrdinary ? "o" : "go"}-w ${shown}`;
  return {
    reason: `other users may write to it (mode ${
      (mode & 0o7777).toString(8).padStart(4, "0")
    })`,
    hint: [user, owner].includes(uid) || user === 0
      ? `Take that right away, if nothing was changed: ${take}`
      : `Choose another path, or let root take that right away: ${take}`,
  };
}

/**
 * Whether all may make names in a directory, and remove only their own, as in
 * `/tmp`; `root` is the number of root's files.
 */
export function isSticky(
  { uid, mode }: Pick<Entry, "uid" | "mode">,
  root = 0,
): boolean {
  return (uid === 0 || uid === root) && mode !== null &&
    (mode & WRITABLE) !== 0 && (mode & STICKY) !== 0;
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
