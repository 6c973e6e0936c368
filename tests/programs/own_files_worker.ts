/**
 * A Worker that does all that the files of this user's need in one directory,
 * and nothing above it.
 *
 * @module
 */

import {
  createOwn,
  openOwn,
  openOwnForChild,
} from "../../src/base/files/open_own.ts";
import { makeOwnDir } from "../../src/base/files/own_dir.ts";
import { namesInOwn, readOwnText } from "../../src/base/files/read_own.ts";
import {
  moveOwn,
  removeOwn,
  writeOwn,
} from "../../src/base/files/write_own.ts";
import { serveMethods } from "../../src/base/worker/serve_methods.ts";

/** A file in a directory. */
interface FileWithin {
  readonly within: string;
  readonly path: string;
}

/** What it does when asked. */
export interface OwnFilesMethods {
  /** Works in a directory; returns the names that are left, and a text. */
  work(within: string): Promise<readonly string[]>;
  /** Reads a file in it; returns the text, or the message of the error. */
  read(file: FileWithin): Promise<string>;
}

async function work(within: string): Promise<string[]> {
  await makeOwnDir(`${within}/a/b`, { within });
  await writeOwn(`${within}/a/b/file`, "one", { within });
  await moveOwn(`${within}/a/b/file`, `${within}/log`, { within });
  {
    using file = await openOwn(`${within}/log`, { append: true, within });
    await file.write(new TextEncoder().encode(" two"));
  }
  const child = await openOwnForChild(`${within}/log`, { within });
  await child.write(" three");
  await child.close();
  (await createOwn(`${within}/new`, { within })).close();
  await removeOwn(`${within}/new`, { within });
  await removeOwn(`${within}/a`, { recursive: true, within });
  const text = await readOwnText(`${within}/log`, { within }) ?? "";
  return [...await namesInOwn(within, { within }), text];
}

async function read({ within, path }: FileWithin): Promise<string> {
  try {
    return await readOwnText(path, { within }) ?? "none";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

serveMethods<OwnFilesMethods, never>(() =>
  Promise.resolve({ methods: { work, read } })
);
