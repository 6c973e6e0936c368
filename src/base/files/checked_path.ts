/**
 * The path to a file or directory that only root and this user can change.
 *
 * Deno has no `openat`. It has `O_NOFOLLOW` in `node:fs`, but under a list of
 * permissions Deno itself resolves all links of a path, asks whether the result
 * is permitted, and opens the result; only a program that may do everything
 * gets its flag to the kernel. `/proc/self/fd/N/name`, which would do as
 * `openat`, is closed to the agent.
 *
 * What holds instead is an argument by induction. `/` is root's. Below a
 * directory that only root and this user may write to, only they can exchange
 * a name. Below a sticky directory of root's (`/tmp`), only they can exchange a
 * name that is theirs. So nobody else can change a path between its check and
 * its use, if each component as it is written, and each component of each link
 * in it, was found to be so from `/` downwards. Every look decides at once on
 * existence, owner and mode: two looks at a sticky directory can see two
 * things. And it comes before the use: another user can give a name there that
 * was theirs to a file of root's which lay in a directory of theirs, but never
 * take root's away again. Whose
 * directories are believed, and in what, decides `distrust()`.
 *
 * | who | what remains |
 * |---|---|
 * | another user, everybody | nothing; what they own or may write to is refused |
 * | whom root or an ordinary user lets write by a group or a list | for that ordinary user: to exchange names in those directories; for root: nothing |
 * | another user in a sticky directory | to keep this user from making a name there |
 * | a process of the same user | to exchange names while they are used. A file is compared with its name after opening, so that none is read or written through a link. It could write to the files itself, and can make the agent wait by a pipe |
 * | root, whoever mounts file systems | everything |
 * | a server of a network file system | to lie about owners |
 *
 * Refused because it cannot be known: owners or modes that the system does not
 * tell, and owners that a user namespace does not know, if it knows root.
 *
 * @module
 */

import { dirname, join, relative, resolve } from "node:path";
import { KatError } from "../errors.ts";
import { distrust, type Entry, PathError } from "./untrusted_path.ts";
import { type Believed, believedUsers } from "./believed_users.ts";

/** Options of {@linkcode checkedPath}, and of all that begin with it. */
export interface CheckedPathOptions {
  /**
   * A directory that was checked before, absolute and without links: only what
   * lies below is looked at, links are refused there, and its owner is this
   * user. For threads that may not look above their directory.
   */
  readonly within?: string | undefined;
}

/** Options of {@linkcode checkedPath}. */
export interface CheckedPathOwner extends CheckedPathOptions {
  /** The user that the last component must belong to. @default {root or this user} */
  readonly owner?: number | undefined;
}

/** Where a link was that is being followed, and how many names come after it. */
interface Followed {
  readonly at: string;
  readonly namesAfter: number;
}

/** As many links as Linux follows in one path. */
const MAX_LINKS = 40;

/** What {@linkcode lookAtPath} found. */
export interface CheckedEntry {
  /** The path without links. */
  readonly path: string;
  /** What is there, from the same look; `undefined` if nothing is yet. */
  readonly entry: Deno.FileInfo | undefined;
}

/**
 * Returns `path` without links. Components that do not exist yet are kept as
 * they are written; only root and this user can make them, except directly
 * below a sticky directory, where whoever makes a name first has it. A link to
 * nothing is refused.
 *
 * @throws {PathError} naming the component that another user can change.
 * @throws {Error} as the file system says, if it cannot be looked at.
 */
export async function checkedPath(
  path: string,
  options: CheckedPathOwner = {},
): Promise<string> {
  return (await lookAtPath(path, options)).path;
}

/** As {@linkcode checkedPath}; tells what is there as well, for a second look could find another. */
export async function lookAtPath(
  path: string,
  { within, owner: lastOwner }: CheckedPathOwner = {},
): Promise<CheckedEntry> {
  const whole = resolve(path);
  const start = within ?? "/";
  const believed = await believedUsers(within);
  const names = namesBelow(start, whole);
  let at = start;
  let entry = await Deno.lstat(at);
  assertTrusted(entry, { path: whole, at, ...believed });
  let link: Followed | undefined;
  for (let links = 0; names.length > 0;) {
    const name = names.shift();
    if (name === undefined || name === "" || name === ".") continue;
    if (!entry.isDirectory) throw notDirectory(whole, at);
    if (name === "..") {
      at = dirname(at);
      continue;
    }
    const next = join(at, name);
    const found = await entryAt(next);
    if (found === undefined) {
      // A link may say "..": what is missing can then not be entered either.
      if (names.includes("..")) throw new Deno.errors.NotFound(next);
      if (link && names.length >= link.namesAfter) {
        throw isDangling(whole, link);
      }
      return { path: join(next, ...names), entry: undefined };
    }
    const isLast = names.length === 0;
    // A link is followed only if root or this user made it, whoever owns its target.
    const expected = isLast && !found.isSymlink ? lastOwner : undefined;
    assertTrusted(found, {
      path: whole,
      at: next,
      ...believed,
      owner: expected ?? believed.owner,
    });
    if (expected !== undefined && found.uid !== expected) {
      throw new PathError(whole, {
        at: next,
        reason: `it belongs to user ${found.uid}, not to user ${expected}`,
        hint: `Hand it over: chown ${expected} ${JSON.stringify(next)}`,
      });
    }
    if (!found.isSymlink) {
      at = next;
      entry = found;
      continue;
    }
    if (within !== undefined) throw isLink(whole, next);
    if (++links > MAX_LINKS) throw isLink(whole, next);
    link = { at: next, namesAfter: names.length };
    const target = await Deno.readLink(next);
    names.unshift(...target.split("/"));
    if (!target.startsWith("/")) continue;
    at = "/";
    entry = await Deno.lstat(at);
  }
  return { path: at, entry };
}

/**
 * Returns `path` without links, whoever can change it: for commands that only
 * read in another user's directory, as root's `status` does. What is in it is
 * then read `within`, through no further link.
 *
 * @throws {Error} as the file system says; NotFound if there is nothing.
 */
export async function pathOfAny(path: string): Promise<string> {
  return await Deno.realPath(path);
}

function namesBelow(start: string, path: string): string[] {
  const below = relative(start, path);
  if (below === ".." || below.startsWith("../")) {
    throw new KatError(
      `Cannot use ${JSON.stringify(path)}: it is not below "${start}"`,
    );
  }
  return below === "" ? [] : below.split("/");
}

function assertTrusted(
  entry: Entry,
  { path, at, ...believed }: Believed & {
    readonly path: string;
    readonly at: string;
  },
): void {
  const found = distrust(entry, { path: at, ...believed });
  if (found !== undefined) throw new PathError(path, { ...found, at });
}

/** What is at `path`, a link itself included; `undefined` if nothing is. */
export async function entryAt(
  path: string,
): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What a link says that it leads to; `undefined` for anything else, and for a link to nothing. */
export async function linkTarget(path: string): Promise<string | undefined> {
  if (!(await entryAt(path))?.isSymlink) return undefined;
  const leads = await Deno.stat(path).then(() => true, () => false);
  return leads ? await Deno.readLink(path) : undefined;
}

function isLink(path: string, at: string): PathError {
  return new PathError(path, {
    at,
    reason: "it is a symbolic link",
    hint: "Remove it, or give the path that it leads to",
  });
}

function isDangling(path: string, { at }: Followed): PathError {
  return new PathError(path, {
    at,
    fault: "dangling",
    reason: "it is a symbolic link to nothing",
    hint: "Make what it leads to, or remove it",
  });
}

function notDirectory(path: string, at: string): PathError {
  return new PathError(path, {
    at,
    fault: "not a directory",
    reason: "it is not a directory",
    hint: "Choose another path",
  });
}
