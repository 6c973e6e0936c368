/**
 * Checks that etcd can write to its data directory, before etcd starts and
 * without leaving a file.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { KatError, messageOf } from "../../base/errors.ts";
import { lookAtPath } from "../../base/files/checked_path.ts";
import { fileTrouble } from "../../base/files/file_trouble.ts";
import { tryDirectory } from "../../base/files/try_directory.ts";
import { PathError } from "../../base/files/untrusted_path.ts";

/** etcd begins by reserving a log file of this size; without the space it panics. */
const NEW_MEMBER_BYTES = 64_000_000;
/** A member that has its log only writes a few pages while it starts. */
const OLD_MEMBER_BYTES = 1_000_000;

/**
 * Refuses a data directory that etcd cannot write to: because it is not a
 * directory, is a symbolic link to nothing, is on a read-only file system,
 * belongs to another user or below what another user can change, or lacks a
 * permission or space. Whether this user may write, the kernel says: it knows
 * of groups, access control lists and capabilities. If the directory does not exist yet, it checks the
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
    await tryDirectory(directory);
  } catch (error) {
    const { reason, hint } = fileTrouble(error);
    if (reason === "permission denied") {
      throw refusal(
        path,
        `no permission to write to ${JSON.stringify(directory)}`,
        "Make that directory writable for the user that runs kat-agent, or choose another with --data-dir",
        error,
      );
    }
    const why = directory === path || reason.startsWith("it is on")
      ? reason
      : `${JSON.stringify(directory)}: ${reason}`;
    throw refusal(
      path,
      why,
      hint && `${hint}. Or choose another directory with --data-dir`,
      error,
    );
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
