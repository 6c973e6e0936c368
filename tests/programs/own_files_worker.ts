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
import { serveCalls } from "../../src/base/worker/serve_calls.ts";

/** What it can be asked. */
export interface OwnFilesCalls {
  /** Works in a directory; returns the names that are left, and a text. */
  readonly work: {
    readonly input: string;
    readonly news: never;
    readonly result: readonly string[];
  };
  /** Reads a file in it; returns the text, or the message of the error. */
  readonly read: {
    readonly input: { readonly within: string; readonly path: string };
    readonly news: never;
    readonly result: string;
  };
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

async function read(
  { within, path }: { readonly within: string; readonly path: string },
): Promise<string> {
  try {
    return await readOwnText(path, { within }) ?? "none";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

serveCalls<OwnFilesCalls>(() => Promise.resolve({ work, read }));
