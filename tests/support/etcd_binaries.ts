/**
 * The etcd under test: what `deno task etcd` put into `.cache/etcd/bin`.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

const bin = Deno.env.get("KAT_TEST_ETCD_BIN") ??
  fileURLToPath(new URL("../../.cache/etcd/bin", import.meta.url));

/** Absolute paths of the programs under test. */
export const etcdBinaries = {
  etcd: `${bin}/etcd`,
  etcdctl: `${bin}/etcdctl`,
};
