/**
 * A directory with all that is in it, once more.
 *
 * @module
 */

import { ok } from "node:assert/strict";

/** Copies the directory `from` to `to`, which must not be there, with owners and modes. */
export async function copyTree(from: string, to: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("cp", {
    args: ["-a", from, to],
  }).output();
  ok(success, new TextDecoder().decode(stderr));
}
