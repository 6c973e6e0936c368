/**
 * A cache as `kat-agent etcd fetch` leaves it, with the etcd under test as its
 * release, so that a start does all it does on a user's machine.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  releaseDirectory,
  writeManifest,
} from "../src/etcd/release/etcd_cache.ts";
import { etcdRelease } from "../src/etcd/release/etcd_release.ts";
import { versionText } from "../src/etcd/etcd_version.ts";
import { etcdBinaries } from "../tests/machine/tested_etcd.ts";

/** A release in a cache. */
export interface CachedEtcd {
  /** Its server. */
  readonly etcd: string;
  /** The `spec.etcd` of a cluster.kat that uses it. */
  readonly spec: string;
}

/** Puts the etcd under test into `cacheDir`. */
export async function cacheEtcd(cacheDir: string): Promise<CachedEtcd> {
  const version = versionText(etcdBinaries.version);
  // The checksum only names the release: there is no archive.
  const sha256 = createHash("sha256").update(version).digest("hex");
  const release = etcdRelease({ version, sha256 });
  const directory = releaseDirectory(cacheDir, release);
  await Deno.mkdir(directory, { recursive: true });
  const checksums = new Map<string, { size: number; sha256: string }>();
  for (const name of ["etcd", "etcdctl"] as const) {
    const path = join(directory, name);
    await Deno.copyFile(etcdBinaries[name], path);
    await Deno.chmod(path, 0o755);
    const bytes = await Deno.readFile(path);
    const hash = createHash("sha256").update(bytes).digest("hex");
    checksums.set(name, { size: bytes.length, sha256: hash });
  }
  await writeManifest(directory, { release, checksums });
  return {
    etcd: join(directory, "etcd"),
    spec: `{ version: "${version}", sha256: "${sha256}" }`,
  };
}
