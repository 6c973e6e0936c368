/**
 * Why the system refused something that was done to a file, in words, and what
 * helps.
 *
 * @module
 */

import { messageOf } from "../errors.ts";

/** What is wrong with a file, its directory or its disk. */
export interface FileTrouble {
  /** A clause, as `its disk is full`. */
  readonly reason: string;
  /** What the user can do, as one sentence; `undefined` if nothing is known. */
  readonly hint?: string | undefined;
}

const FREE = "Free space on that disk";

const NO_PERMISSION: FileTrouble = { reason: "permission denied" };

/** By the system's own words, which are the same in Deno's errors and Node's. */
const TROUBLES: readonly (readonly [words: RegExp, FileTrouble])[] = [
  [/no space left/i, {
    reason: "its disk is full, or takes no more files",
    hint: `${FREE}: df shows how much is left, df -i how many more files fit`,
  }],
  [/quota exceeded/i, {
    reason: "this user's share of its disk (quota) is used up",
    hint: `${FREE}, or have the share enlarged`,
  }],
  [/read-only file system/i, {
    reason: "it is on a read-only file system",
    hint: "Mount it for writing; if it became read-only by itself, dmesg tells",
  }],
  [/file name too long/i, {
    reason: "its name is too long for its file system",
  }],
  [/operation not permitted/i, {
    reason: "the system permits no change (Operation not permitted)",
    hint:
      "See whether it is marked as immutable (lsattr), and whether a security module forbids it",
  }],
  [/permission denied/i, NO_PERMISSION],
  [/stale file handle/i, {
    reason: "its network file system has lost it (stale file handle)",
    hint: "Mount that file system again",
  }],
  [/input\/output error/i, {
    reason: "its disk reports an error (Input/output error)",
    hint: "Check that disk: dmesg tells",
  }],
];

/** Explains an error of the file system; another error is its own message. */
export function fileTrouble(error: unknown): FileTrouble {
  if (error instanceof Deno.errors.PermissionDenied) return NO_PERMISSION;
  const text = messageOf(error);
  return TROUBLES.find(([words]) => words.test(text))?.[1] ?? { reason: text };
}
