/**
 * A cache as `kat-agent etcd fetch` leaves it, with the etcd under test as its
 * release, so that a start does all it does on a user's machine.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  keptArchive,
  releaseDirectory,
} from "../src/etcd/release/etcd_cache.ts";
import {
  archiveDirectory,
  etcdRelease,
  platformOf,
} from "../src/etcd/release/etcd_release.ts";
import { versionText } from "../src/etcd/etcd_version.ts";
import { makeTarGz, makeZip } from "../tests/fakes/archive.ts";
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
  const platform = platformOf(Deno.build.os, Deno.build.arch);
  const inArchive = archiveDirectory({
    version: etcdBinaries.version,
    platform,
  });
  const names = ["etcd", "etcdctl"] as const;
  const entries = await Promise.all(names.map(async (name) => ({
    name: `${inArchive}/${name}`,
    content: await Deno.readFile(etcdBinaries[name]),
  })));
  const bytes = platform.startsWith("darwin-")
    ? makeZip(entries)
    : makeTarGz(entries);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const release = etcdRelease({ version, sha256 });
  const directory = releaseDirectory(cacheDir, release);
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeFile(keptArchive(directory, release), bytes);
  for (const name of names) {
    await Deno.copyFile(etcdBinaries[name], join(directory, name));
    await Deno.chmod(join(directory, name), 0o755);
  }
  return {
    etcd: join(directory, "etcd"),
    spec: `{ version: "${version}", sha256: "${sha256}" }`,
  };
}
