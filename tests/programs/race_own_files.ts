/**
 * A victim: does the same with a path again and again, with the permissions of
 * the product, while another process exchanges what the path means. Prints how
 * often it was done and refused as JSON.
 *
 * @module
 */

import { KatError } from "../../src/base/errors.ts";
import {
  createOwn,
  openOwn,
  openOwnForChild,
} from "../../src/base/files/open_own.ts";
import { makeOwnDir } from "../../src/base/files/own_dir.ts";
import { readOwnText } from "../../src/base/files/read_own.ts";
import { writeOwn } from "../../src/base/files/write_own.ts";

/** What is tried. */
export const OPERATIONS = {
  async append(path: string) {
    using file = await openOwn(path, { append: true, createMode: 0o600 });
    await file.write(new TextEncoder().encode("ours"));
  },
  async empty(path: string) {
    using file = await openOwn(path, { write: true, createMode: 0o600 });
    await file.truncate(0);
  },
  async create(path: string) {
    using file = await createOwn(path);
    await file.write(new TextEncoder().encode("ours"));
  },
  async child(path: string) {
    const file = await openOwnForChild(path);
    await file.write("ours");
    await file.close();
  },
  async replace(path: string) {
    await writeOwn(path, "ours");
  },
  async read(path: string) {
    const text = await readOwnText(path);
    if (text?.includes("secret")) throw new Error("It has read the secret");
  },
  async directory(path: string) {
    const { uid, isDirectory } = await Deno.lstat(await makeOwnDir(path));
    if (uid !== Deno.uid() || !isDirectory) throw new Error("Not our own");
    await Deno.remove(path);
  },
  async handOver(path: string) {
    await makeOwnDir(`${path}/below`, { owner: { uid: 65534, gid: 65534 } });
    await Deno.remove(path, { recursive: true });
  },
} as const;

/** What the program is to do. */
export interface RaceTask {
  /** Which operation. */
  readonly operation: keyof typeof OPERATIONS;
  /** On what. */
  readonly path: string;
  /** How often. */
  readonly rounds: number;
}

/** How often what came of it. */
export interface RaceCounts {
  /** As asked. */
  readonly done: number;
  /** A KatError: something was not ours. */
  readonly refused: number;
  /** What the file system said, as `NotFound`, because names come and go. */
  readonly failed: number;
}

if (import.meta.main) {
  const task = JSON.parse(Deno.args[0] ?? "") as RaceTask;
  const counts = { done: 0, refused: 0, failed: 0 };
  for (let round = 0; round < task.rounds; round += 1) {
    try {
      await OPERATIONS[task.operation](task.path);
      counts.done += 1;
    } catch (error) {
      if (error instanceof KatError) counts.refused += 1;
      else if (isOfFileSystem(error)) counts.failed += 1;
      else throw error;
    }
  }
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(counts)));
}

function isOfFileSystem(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.AlreadyExists ||
    (error instanceof Error && "code" in error &&
      ["ENOENT", "EEXIST", "EISDIR", "ELOOP", "ENOTDIR"].includes(
        `${error.code}`,
      ));
}
