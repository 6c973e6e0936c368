/**
 * Whether files can be made in a directory, as the kernel says.
 *
 * Neither the mode nor Deno's `access` tells: they leave out supplementary
 * groups, access control lists, capabilities, read-only mounts and the mark
 * "immutable".
 *
 * @module
 */

import { constants, open } from "node:fs/promises";
import { join } from "node:path";

/** Linux: a file without a name, which vanishes when it is closed. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;
/** What a file system or a kernel without such files answers. */
const NO_SUCH_FILES: readonly string[] = [
  "EINVAL",
  "EISDIR",
  "ENOENT",
  "ENOSYS",
  "ENOTSUP",
  "EOPNOTSUPP",
];

/**
 * Makes a file without a name in `directory`, a path that was checked; where
 * there are no such files, it makes a directory and removes it.
 *
 * @throws {Error} as the file system says, if it cannot.
 */
export async function tryDirectory(directory: string): Promise<void> {
  if (Deno.build.os === "linux") {
    try {
      const file = await open(directory, O_TMPFILE | constants.O_RDWR, 0o600);
      return await file.close();
    } catch (error) {
      const { code } = error as { readonly code?: string };
      if (code === undefined || !NO_SUCH_FILES.includes(code)) throw error;
    }
  }
  const made = join(directory, `probe.${crypto.randomUUID()}.tmp`);
  await Deno.mkdir(made, { mode: 0o700 }).catch((error) => {
    // The directory itself was found: `/proc` and its like answer so.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error("its file system takes no new files", { cause: error });
  });
  await Deno.remove(made);
}
