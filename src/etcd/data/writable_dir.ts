/**
 * Checks that etcd can write to its data directory, before etcd starts and
 * without making a file.
 *
 * @module
 */

import { access, constants, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { KatError, messageOf } from "../../base/errors.ts";
import { lookAtPath } from "../../base/files/checked_path.ts";
import { PathError } from "../../base/files/untrusted_path.ts";

/** etcd begins by reserving a log file of this size; without the space it panics. */
const NEW_MEMBER_BYTES = 64_000_000;
/** A member that has its log only writes a few pages while it starts. */
const OLD_MEMBER_BYTES = 1_000_000;

/**
 * Refuses a data directory that etcd cannot write to: because it is not a
 * directory, is a symbolic link to nothing, is on a read-only file system,
 * belongs to another user or below what another user can change, or lacks a
 * permission or space. If the directory does not exist yet, it checks the
 * nearest one above it.
 *
 * @throws {KatError} with the reason.
 */
export async function checkWritable(path: string): Promise<void> {
  try {
    const { directory, info, isPath } = await nearest(path);
    if (!info.isDirectory) {
      throw refusal(
        path,
        isPath
          ? "it is not a directory"
          : `${JSON.stringify(directory)} is not a directory`,
      );
    }
    const uid = Deno.uid();
    if (isPath && info.uid !== null && info.uid !== uid) {
      throw refusal(
        path,
        `it belongs to user ${info.uid}, and kat-agent runs as user ${uid}`,
        "Run kat-agent as that user, or give it the directory with chown",
      );
    }
    await assertWritable(directory, path);
    await assertSpace(directory, path);
  } catch (error) {
    if (error instanceof KatError) throw error;
    throw refusal(path, messageOf(error), undefined, error);
  }
}

interface Nearest {
  readonly directory: string;
  readonly info: Deno.FileInfo;
  /** Whether it is the path itself, and none above it. */
  readonly isPath: boolean;
}

/** The directory itself, or the nearest existing one above it; without links. */
async function nearest(path: string): Promise<Nearest> {
  for (let at = path;; at = dirname(at)) {
    try {
      const { path: directory, entry: info } = await lookAtPath(at);
      if (info) return { directory, info, isPath: at === path };
    } catch (error) {
      if (error instanceof PathError) throw refusalOf(path, error);
      throw error;
    }
  }
}

function refusalOf(
  path: string,
  { at, reason, fault, hint }: PathError,
): KatError {
  if (fault === "untrusted") {
    const where = at === path ? "" : `${JSON.stringify(at)} leads to it, and `;
    return refusal(path, `${where}${reason}`, hint);
  }
  const isPath = at === path && fault !== "dangling";
  return refusal(
    path,
    isPath ? reason : reason.replace(/^it/, JSON.stringify(at)),
  );
}

async function assertWritable(directory: string, path: string): Promise<void> {
  try {
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw refusal(
      path,
      `no permission to write to ${JSON.stringify(directory)}`,
      "Make that directory writable for the user that runs kat-agent, or choose another with --data-dir",
      error,
    );
  }
  // Permissions do not show that a file system is mounted read-only. Renaming a
  // file that does not exist shows it: Linux checks the mount first, and nothing
  // changes. A system that checks the name first leaves the error to etcd.
  const nothing = join(directory, crypto.randomUUID());
  try {
    await Deno.rename(nothing, `${nothing}.new`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw refusal(path, "it is on a read-only file system", undefined, error);
  }
}

async function assertSpace(directory: string, path: string): Promise<void> {
  const { entry } = await lookAtPath(join(path, "member", "wal"));
  const isOld = entry !== undefined;
  const needed = isOld ? OLD_MEMBER_BYTES : NEW_MEMBER_BYTES;
  const { bavail, bsize, files, ffree } = await statfs(directory);
  const free = bavail * bsize;
  if (free < needed) {
    throw refusal(
      path,
      `its disk has ${megabytes(free)} MB left, and etcd needs ${
        megabytes(needed)
      } MB`,
      "Free space on that disk, or choose another directory with --data-dir",
    );
  }
  // A file system without a fixed number of files reports 0 for both.
  if (files > 0 && ffree === 0) {
    throw refusal(
      path,
      "its disk can hold no more files",
      "Delete files on that disk, or choose another directory with --data-dir",
    );
  }
}

function megabytes(bytes: number): number {
  return Math.floor(bytes / 1_000_000);
}

function refusal(
  path: string,
  why: string,
  hint = "Choose another directory with --data-dir",
  cause?: unknown,
): KatError {
  return new KatError(
    `Cannot use the data directory ${JSON.stringify(path)}: ${why}`,
    { hint, cause },
  );
}
