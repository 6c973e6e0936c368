/**
 * Whether a directory was touched.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** A fingerprint of all names, modes and contents under `path`; `absent` if there is nothing. */
export async function treeHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    await add(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "absent";
    throw error;
  }
  return hash.digest("hex");

  async function add(at: string): Promise<void> {
    const info = await Deno.lstat(at);
    const kind = info.isDirectory ? "d" : info.isSymlink ? "l" : "f";
    hash.update(`${at}\0${kind}\0${info.mode}\0`);
    if (info.isSymlink) hash.update(await Deno.readLink(at));
    else if (info.isDirectory) {
      const entries = await Array.fromAsync(Deno.readDir(at));
      for (const name of entries.map((entry) => entry.name).sort()) {
        await add(`${at}/${name}`);
      }
    } else if (info.isFile) hash.update(await Deno.readFile(at));
  }
}
