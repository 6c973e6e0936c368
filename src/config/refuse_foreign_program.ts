/**
 * What root runs must not be another user's to choose: a cluster.kat can name a
 * program, by its path or by the checksum of the archive that it is in.
 *
 * @module
 */

import { KatError, messageOf } from "../base/errors.ts";
import { lookAtPath } from "../base/files/checked_path.ts";
import { PathError } from "../base/files/untrusted_path.ts";
import type { ClusterSpec } from "./cluster_config.ts";

/** The fields of `spec.etcd` that decide on the program. */
const FIELDS = ["binary", "sha256"] as const;

/**
 * Says why another user can change a file that root is to read; `undefined` if
 * none can, or this is not root. To be asked before the file is read: below
 * `/tmp`, its owner can read out theirs and then move one of root's to its name,
 * but not the other way round.
 */
export async function whyForeign(file: string): Promise<PathError | undefined> {
  if (Deno.uid() !== 0) return undefined;
  try {
    const { entry } = await lookAtPath(file);
    if (entry !== undefined) return undefined;
    return unknown(file, "it was not there at first");
  } catch (error) {
    return error instanceof PathError ? error : unknown(file, messageOf(error));
  }
}

function unknown(file: string, reason: string): PathError {
  return new PathError(file, { at: file, reason, hint: "Try again" });
}

/**
 * Refuses a cluster.kat that names a program and that another user can change,
 * as {@linkcode whyForeign} said. Without one it may be anybody's: what else it
 * says is checked, and runs nothing.
 *
 * @throws {KatError} naming the field and the component of the path.
 */
export function refuseForeignProgram(
  file: string,
  { spec: { etcd }, foreign }: {
    readonly spec: Pick<ClusterSpec, "etcd">;
    readonly foreign: PathError | undefined;
  },
): void {
  const field = FIELDS.find((name) => etcd[name] !== undefined);
  if (field === undefined || foreign === undefined) return;
  const where = foreign.at === file
    ? ""
    : `${JSON.stringify(foreign.at)} leads to it, and `;
  throw new KatError(
    `Cannot run as root what spec.etcd.${field} in ${
      JSON.stringify(file)
    } names: ${where}${foreign.reason}`,
    {
      hint:
        `Copy the file to a directory of root's, as /etc/kat, or leave spec.etcd.${field} out; etcd can also be named with --etcd-binary`,
      cause: foreign,
    },
  );
}
