/**
 * What etcd's data directory holds, read before etcd starts and without a
 * change; and making that directory. Whether etcd can write there is left to
 * `writable_dir`, whether an etcd runs on it to `data_dir_lock`.
 *
 * @module
 */

import { join } from "node:path";
import { KatError, messageOf } from "../../base/errors.ts";
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
 * Reads what is at `path`, and follows a symbolic link. It reads names and
 * sizes; whether the files are whole, only etcd can find out.
 *
 * Whether etcd may complete a `half-made` directory, the caller decides from
 * what else it knows: with a database and no log, etcd serves an older state or
 * does not start.
 *
 * @throws {KatError} naming the file or directory that cannot be read.
 */
export async function inspectEtcdDataDir(
  path: string,
): Promise<EtcdDataDirState> {
  const entry = await lstat(path);
  if (entry === undefined) return { kind: "absent", reasons: [] };
  const target = await stat(path);
  if (target === undefined) return foreign("it is a symbolic link to nothing");
  if (!target.isDirectory) return foreign("it is not a directory");
  const names = await namesIn(path);
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
    : await inspectMember(path);
}

async function inspectMember(path: string): Promise<EtcdDataDirState> {
  const member = await stat(join(path, "member"));
  if (!member?.isDirectory) return foreign('"member" is not a directory');
  const reasons: string[] = [];
  const wal = join(path, "member", "wal");
  const logs = await stat(wal) === undefined
    ? []
    : (await namesIn(wal)).filter((name) => name.endsWith(".wal"));
  const sizes = await Promise.all(logs.map((name) => stat(join(wal, name))));
  if (!sizes.some((log) => log !== undefined && log.size > 0)) {
    reasons.push('"member/wal" holds no log');
  }
  for (const name of logs) {
    if (await beginsWithZeros(join(wal, name))) {
      reasons.push(`${JSON.stringify(`member/wal/${name}`)} begins with zeros`);
    }
  }
  const db = await stat(databaseIn(path));
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
async function beginsWithZeros(path: string): Promise<boolean> {
  try {
    using file = await Deno.open(path);
    const bytes = new Uint8Array(8);
    const count = await file.read(bytes);
    return count !== null && bytes.every((byte) => byte === 0);
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/**
 * Makes the directory with mode 0700, and the missing ones above it. If it
 * exists and other users may enter it, it gets that mode.
 *
 * @throws {KatError} if it cannot be made.
 */
export async function createDataDir(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    const { mode } = await Deno.stat(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      log.warn("Closed the data directory to other users", {
        path,
        mode: (mode & 0o777).toString(8),
      });
    }
    // The umask may also have removed permissions of the owner.
    if (mode !== null && (mode & 0o777) !== 0o700) {
      await Deno.chmod(path, 0o700);
    }
  } catch (error) {
    throw new KatError(
      `Cannot make the data directory ${JSON.stringify(path)}: ${
        messageOf(error)
      }`,
      { cause: error, hint: "Choose another directory with --data-dir" },
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
  const isForbidden = cause instanceof Deno.errors.PermissionDenied;
  const why = isForbidden ? "no permission" : messageOf(cause);
  return new KatError(`Cannot read ${JSON.stringify(path)}: ${why}`, {
    cause,
    hint: isForbidden
      ? "Give it to the user that runs kat-agent, with chown"
      : "Check the disk that it is on",
  });
}

async function namesIn(path: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(path));
    return entries.map(({ name }) => name)
      .filter((name) => !IGNORED_NAMES.includes(name)).sort();
  } catch (error) {
    throw cannotRead(path, error);
  }
}

function stat(path: string): Promise<Deno.FileInfo | undefined> {
  return Deno.stat(path).catch((error) => undefinedIfMissing(path, error));
}

function lstat(path: string): Promise<Deno.FileInfo | undefined> {
  return Deno.lstat(path).catch((error) => undefinedIfMissing(path, error));
}

/** A file where a directory is expected means that what is below it is missing, too. */
function undefinedIfMissing(path: string, error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound) return undefined;
  if (error instanceof Deno.errors.NotADirectory) return undefined;
  throw cannotRead(path, error);
}
