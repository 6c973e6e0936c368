/**
 * The etcd under test: what `deno task etcd` put into `.cache/etcd/bin`, or
 * what stands in the directory `KAT_TEST_ETCD_BIN` names.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import {
  type EtcdVersion,
  parseEtcdVersion,
} from "../../src/etcd/etcd_version.ts";

const bin = Deno.env.get("KAT_TEST_ETCD_BIN") ??
  fileURLToPath(new URL("../../.cache/etcd/bin", import.meta.url));

/** Absolute paths of the programs under test, and which version they are. */
export const etcdBinaries: {
  readonly etcd: string;
  readonly etcdctl: string;
  readonly version: EtcdVersion;
} = {
  etcd: `${bin}/etcd`,
  etcdctl: `${bin}/etcdctl`,
  version: await versionOf(`${bin}/etcd`),
};

async function versionOf(etcd: string): Promise<EtcdVersion> {
  try {
    const command = new Deno.Command(etcd, { args: ["--version"] });
    const { stdout } = await command.output();
    return parseEtcdVersion(new TextDecoder().decode(stdout));
  } catch (cause) {
    throw new Error(`No etcd to test with in ${bin}: run deno task etcd`, {
      cause,
    });
  }
}
