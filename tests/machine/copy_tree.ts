/**
 * Copies directories.
 *
 * @module
 */

import { run } from "./command_output.ts";

/** Copies the directory `from` to `to`, which must not exist, with owners and modes. */
export async function copyTree(from: string, to: string): Promise<void> {
  await run("cp", "-a", from, to);
}
