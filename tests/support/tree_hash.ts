/**
 * What a directory holds, as one value that tests can compare.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";

/** Returns each path under `root` with its mode and a hash of its content, sorted. */
export async function treeHash(root: string): Promise<string[]> {
  const lines: string[] = [];
  async function walk(path: string): Promise<void> {
    const { mode, isDirectory, isSymlink } = await Deno.lstat(path);
    const bits = (mode ?? 0).toString(8);
    if (isDirectory) {
      lines.push(`${path}/ ${bits}`);
      for await (const { name } of Deno.readDir(path)) {
        await walk(join(path, name));
      }
    } else if (isSymlink) {
      lines.push(`${path} -> ${await Deno.readLink(path)}`);
    } else {
      const hash = createHash("sha256").update(await Deno.readFile(path));
      lines.push(`${path} ${bits} ${hash.digest("hex")}`);
    }
  }
  await walk(root);
  return lines.sort();
}
