/**
 * Giving up rights for good, once what needed them is done.
 *
 * @module
 */

import { logger } from "./log.ts";

/** Options of {@linkcode dropPermissions}. */
export interface DropPermissionsOptions {
  /** Unix sockets that may still be written to. */
  readonly sockets: readonly string[];
  /** Waited for before, because a Worker loads with the rights of the thread that started it. */
  readonly after: readonly { readonly ready: Promise<void> }[];
  /** Kinds that are not given up yet: to be called again without, once they are not needed. */
  readonly keep?: readonly Kind[] | undefined;
}

const KINDS = ["env", "ffi", "import", "net", "run", "sys"] as const;
/** A kind of rights. */
type Kind = typeof KINDS[number];

/**
 * Gives up all rights of this thread but to write to some sockets; Workers that
 * run keep theirs. With sockets it keeps `net` as well: Deno asks for it, and
 * has no way to list unix sockets with abstract names. A program that may read
 * everything in general, as with Deno's `--allow-all`, keeps them all: Deno can
 * take a list apart, and no general permission.
 */
export async function dropPermissions(
  { sockets, after, keep = [] }: DropPermissionsOptions,
): Promise<void> {
  await Promise.all(after.map(({ ready }) => ready));
  const { permissions } = Deno;
  for (const name of ["read", "write"] as const) {
    if ((await permissions.query({ name })).state === "granted") {
      logger("agent").debug("Runs with all permissions, and keeps them");
      return;
    }
  }
  for (const name of ["read", "write"] as const) {
    // Granted already, and so put on the list without a question.
    for (const path of sockets) await permissions.request({ name, path });
    await permissions.revoke({ name, path: "/" });
  }
  for (const name of KINDS) {
    if (name === "net" && sockets.length > 0) continue;
    if (keep.includes(name)) continue;
    await permissions.revoke({ name });
  }
}
