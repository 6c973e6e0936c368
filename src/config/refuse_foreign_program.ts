/**
 * What root runs must not be another user's to choose: a cluster.kat can name a
 * program, by its path or by the checksum of the archive that it is in.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";
import { checkedPath } from "../base/files/checked_path.ts";
import { PathError } from "../base/files/untrusted_path.ts";
import type { ClusterSpec } from "./cluster_config.ts";

/** The fields of `spec.etcd` that decide on the program. */
const FIELDS = ["binary", "sha256"] as const;

/**
 * Refuses, as root, a cluster.kat that names a program and that another user can
 * change. Without one it may be anybody's: what else it says is checked, and
 * runs nothing.
 *
 * @throws {KatError} naming the field and the component of the path.
 */
export async function refuseForeignProgram(
  file: string,
  { etcd }: Pick<ClusterSpec, "etcd">,
): Promise<void> {
  const field = FIELDS.find((name) => etcd[name] !== undefined);
  if (field === undefined || Deno.uid() !== 0) return;
  try {
    await checkedPath(file);
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
    const where = error.at === file
      ? ""
      : `${JSON.stringify(error.at)} leads to it, and `;
    throw new KatError(
      `Cannot run as root what spec.etcd.${field} in ${
        JSON.stringify(file)
      } names: ${where}${error.reason}`,
      {
        hint:
          `Copy the file to a directory of root's, as /etc/kat, or leave spec.etcd.${field} out; etcd can also be named with --etcd-binary`,
        cause: error,
      },
    );
  }
}
