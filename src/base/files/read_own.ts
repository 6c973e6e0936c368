/**
 * Reads files and names that only root and this user can change.
 *
 * @module
 */

import { KatError } from "../errors.ts";
import { checkedPath, type CheckedPathOptions } from "./checked_path.ts";
import { openOwn } from "./open_own.ts";

/** Options of {@linkcode readOwn}. */
export interface ReadOwnOptions extends CheckedPathOptions {
  /** A file that has more is none of ours. @default {1 MiB} */
  readonly maxBytes?: number | undefined;
}

/** Larger than any small file of ours. */
const MAX_BYTES = 1024 ** 2;

/**
 * Reads a file whole; `undefined` if there is none.
 *
 * @throws {KatError} if another user can change it, or it is none of ours.
 * @throws {Error} as the file system says.
 */
export async function readOwn(
  path: string,
  { maxBytes = MAX_BYTES, within }: ReadOwnOptions = {},
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let file: Deno.FsFile;
  try {
    file = await openOwn(path, { within });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  using _file = file;
  const { size } = await file.stat();
  if (size > maxBytes) throw tooLong(path, `${size}`);
  // One more than allowed tells; a file that grows meanwhile ends there as well.
  const bytes = new Uint8Array(maxBytes + 1);
  let length = 0;
  while (length < bytes.length) {
    const count = await file.read(bytes.subarray(length));
    if (count === null) return bytes.slice(0, length);
    length += count;
  }
  throw tooLong(path, `more than ${maxBytes}`);
}

function tooLong(path: string, size: string): KatError {
  return new KatError(
    `Cannot use ${JSON.stringify(path)}: it has ${size} bytes`,
    { hint: "It is no file of kat-agent: move it away" },
  );
}

/** As {@linkcode readOwn}, as text. */
export async function readOwnText(
  path: string,
  options: ReadOwnOptions = {},
): Promise<string | undefined> {
  const bytes = await readOwn(path, options);
  return bytes && new TextDecoder().decode(bytes);
}

/**
 * Returns the names in a directory, sorted; none if there is no directory.
 *
 * @throws {KatError} if another user can change it.
 * @throws {Error} as the file system says.
 */
export async function namesInOwn(
  path: string,
  options: CheckedPathOptions = {},
): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(
      Deno.readDir(await checkedPath(path, options)),
    );
    return entries.map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
