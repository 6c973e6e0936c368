/**
 * Locks open files, and says so where a file system knows no locks: a network
 * file system without its lock service, some in user space.
 *
 * @module
 */

import { KatError, messageOf } from "../errors.ts";

/** Options of {@linkcode tryLock}. */
export interface TryLockOptions {
  /** The file's path, for the message. */
  readonly path: string;
  /** Whether no other process may hold a lock. @default {true} */
  readonly exclusive?: boolean | undefined;
}

/** ENOLCK, EOPNOTSUPP, ENOSYS and EINVAL, in the system's words. */
const NO_LOCKS =
  /no locks available|not supported|not implemented|invalid argument/i;

/**
 * Locks a file until it is closed; false if another process has locked it.
 *
 * @throws {NoLocksError} if its file system knows no locks.
 */
export async function tryLock(
  file: Deno.FsFile,
  { path, exclusive = true }: TryLockOptions,
): Promise<boolean> {
  try {
    return await file.tryLock(exclusive);
  } catch (error) {
    if (!NO_LOCKS.test(messageOf(error))) throw error;
    throw new NoLocksError(path, error);
  }
}

/** A file cannot be locked. */
export class NoLocksError extends KatError {
  /** The error for the file at `path`. */
  constructor(path: string, cause: unknown) {
    super(
      `Cannot lock ${JSON.stringify(path)}: its file system knows no locks (${
        messageOf(cause)
      })`,
      {
        cause,
        hint:
          "Choose a directory on a local disk; etcd needs locks as well. On NFS, mount without nolock and see that the server's lock service runs",
      },
    );
  }
}
