/**
 * What etcd's data directory holds, read before etcd starts and without a
 * change; and making that directory. Whether etcd can write there is left to
 * `writable_dir`, whether an etcd runs on it to `data_dir_lock`.
 *
 * @module
 */

import { join } from "node:path";
import { KatError, messageOf } from "../../base/errors.ts";
import {
  type CheckedPathOptions,
  lookAtPath,
} from "../../base/files/checked_path.ts";
import { fileTrouble } from "../../base/files/file_trouble.ts";
import { openOwn } from "../../base/files/open_own.ts";
import {
  closeOwnDir,
  isModeRefused,
  makeOwnDir,
} from "../../base/files/own_dir.ts";
import { namesInOwn } from "../../base/files/read_own.ts";
import { PathError } from "../../base/files/untrusted_path.ts";
import { logger } from "../../base/log.ts";

const log = logger("etcd");

/**
 * What a directory holds: `member`, the data of one; `half-made`, a part of
 * that, because the first start was interrupted or files were lost; `foreign`,
 * something else.
 */
export type EtcdDataDirKind =
  | "absent"
  | "empty"
  | "member"
  | "half-made"
  | "foreign";

/** What {@linkcode inspectEtcdDataDir} found. */
export interface EtcdDataDirState {
  /** What the directory holds. */
  readonly kind: EtcdDataDirKind;
  /** Why it is `half-made` or `foreign`; each is a clause such as `"member/wal" holds no log`. */
  readonly reasons: readonly string[];
}

/** Names that are no data: a file system has `lost+found` at its root. */
const IGNORED_NAMES: readonly string[] = ["lost+found"];
/** How many names that do not belong there a reason lists. */
const LISTED_NAMES = 3;

/**
 * Reads what is at `path`, and follows a symbolic link of root's or this
 * user's. It reads names and sizes; whether the files are whole, only etcd can
 * find out.
 *
 * Whether etcd may complete a `half-made` directory, the caller decides from
 * what else it knows: with a database and no log, etcd serves an older state or
 * does not start.
 *
 * @throws {KatError} naming the file or directory that cannot be read, or that
 * another user can change.
 */
export async function inspectEtcdDataDir(
  path: string,
  options: CheckedPathOptions = {},
): Promise<EtcdDataDirState> {
  const entry = await look(path, options).catch((error) => {
    if (error instanceof PathError && error.fault === "dangling") return null;
    throw error;
  });
  if (entry === null) return foreign("it is a symbolic link to nothing");
  if (entry === undefined) return { kind: "absent", reasons: [] };
  if (!entry.isDirectory) return foreign("it is not a directory");
  const names = await namesIn(path, options);
  const strange = names.filter((name) => name !== "member");
  if (strange.length > 0) {
    const some = strange.slice(0, LISTED_NAMES).map((name) =>
      JSON.stringify(name)
    );
    const more = strange.length > LISTED_NAMES
      ? ` and ${strange.length - LISTED_NAMES} more`
      : "";
    return foreign(`it holds ${some.join(", ")}${more}`);
  }
  return names.length === 0
    ? { kind: "empty", reasons: [] }
    : await inspectMember(path, options);
}

async function inspectMember(
  path: string,
  options: CheckedPathOptions,
): Promise<EtcdDataDirState> {
  const member = await look(join(path, "member"), options);
  if (!member?.isDirectory) return foreign('"member" is not a directory');
  const reasons: string[] = [];
  const wal = join(path, "member", "wal");
  const logs = await look(wal, options) === undefined
    ? []
    : (await namesIn(wal, options)).filter((name) => name.endsWith(".wal"));
  const sizes = await Promise.all(
    logs.map((name) => look(join(wal, name), options)),
  );
  if (!sizes.some((log) => log !== undefined && log.size > 0)) {
    reasons.push('"member/wal" holds no log');
  }
  for (const name of logs) {
    if (await beginsWithZeros(join(wal, name), options)) {
      reasons.push(`${JSON.stringify(`member/wal/${name}`)} begins with zeros`);
    }
  }
  const db = await look(databaseIn(path), options);
  if (db === undefined) reasons.push('"member/snap/db" is missing');
  else if (!db.isFile) reasons.push('"member/snap/db" is not a file');
  else if (db.size === 0) reasons.push('"member/snap/db" is empty');
  return { kind: reasons.length === 0 ? "member" : "half-made", reasons };
}

/**
 * A log begins with the length of its first record. etcd reads zeros there as
 * the end of the log, and erases the rest before it finds that records are
 * missing.
 */
async function beginsWithZeros(
  path: string,
  options: CheckedPathOptions,
): Promise<boolean> {
  try {
    using file = await openOwn(path, options);
    const bytes = new Uint8Array(8);
    const count = await file.read(bytes);
    return count !== null && bytes.every((byte) => byte === 0);
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/**
 * Makes the directory with mode 0700, and the missing ones above it. If it
 * exists and other users may enter it, it gets that mode, unless it is another's
 * or its file system knows no modes: a volume that a container was given through
 * a group stays as it is.
 *
 * @throws {KatError} if it cannot be made, or another user can change it or
 * what leads to it.
 */
export async function createDataDir(path: string): Promise<void> {
  try {
    const made = await makeOwnDir(path);
    const mode = (await lookAtPath(made)).entry?.mode ?? null;
    // The umask may also have removed permissions of the owner.
    if (mode === null || (mode & 0o777) === 0o700) return;
    const shown = (mode & 0o777).toString(8);
    try {
      await closeOwnDir(made);
    } catch (error) {
      if (!isModeRefused(error)) throw error;
      log.warn("The data directory stays open to other users", {
        path,
        mode: shown,
        reason: messageOf(error),
      });
      return;
    }
    if ((mode & 0o077) !== 0) {
      log.warn("Closed the data directory to other users", {
        path,
        mode: shown,
      });
    }
  } catch (error) {
    if (error instanceof PathError) throw error;
    const { reason, hint } = fileTrouble(error);
    throw new KatError(
      `Cannot make the data directory ${JSON.stringify(path)}: ${reason}`,
      {
        cause: error,
        hint: hint
          ? `${hint}. Or choose another directory with --data-dir`
          : "Choose another directory with --data-dir",
      },
    );
  }
}

/** etcd's database in its directory. */
export function databaseIn(path: string): string {
  return join(path, "member", "snap", "db");
}

function foreign(reason: string): EtcdDataDirState {
  return { kind: "foreign", reasons: [reason] };
}

/** The error for a file or directory that cannot be read: it names that one. */
export function cannotRead(path: string, cause: unknown): KatError {
  if (cause instanceof KatError) return cause;
  const { reason, hint = "Check the disk that it is on" } = fileTrouble(cause);
  const isForbidden = reason === "permission denied";
  const why = isForbidden ? "no permission" : reason;
  return new KatError(`Cannot read ${JSON.stringify(path)}: ${why}`, {
    cause,
    hint: isForbidden
      ? "Give it to the user that runs kat-agent, with chown"
      : hint,
  });
}

async function namesIn(
  path: string,
  options: CheckedPathOptions,
): Promise<string[]> {
  try {
    return (await namesInOwn(path, options))
      .filter((name) => !IGNORED_NAMES.includes(name));
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/** What is there, through links that are believed. A file where a directory is expected means that what is below it is missing, too. */
async function look(
  path: string,
  options: CheckedPathOptions,
): Promise<Deno.FileInfo | undefined> {
  try {
    return (await lookAtPath(path, options)).entry;
  } catch (error) {
    if (error instanceof PathError && error.fault === "not a directory") {
      return undefined;
    }
    throw cannotRead(path, error);
  }
}
