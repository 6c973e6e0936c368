/**
 * Which etcd the agent runs: the one that was named, else the release in the
 * cache, else a download, else what the machine has on PATH.
 *
 * @module
 */

import { isAbsolute, join, resolve } from "node:path";
import { PINNED_ETCD_VERSION } from "../../config/pinned_etcd.ts";
import { KatError } from "../../base/errors.ts";
import { logger } from "../../base/log.ts";
import type { DownloadLimits, DownloadProgress } from "./download_limits.ts";
import {
  askVersion,
  type EtcdBinaries,
  isExecutableFile,
  withCompanions,
} from "./etcd_binaries.ts";
import { cacheRoot, inspectRelease, releaseDirectory } from "./etcd_cache.ts";
import {
  archiveUrls,
  etcdRelease,
  type EtcdReleaseOptions,
} from "./etcd_release.ts";
import { type EtcdVersion, supportOf, versionText } from "../etcd_version.ts";

/** Where the path of a binary was set. */
export type BinaryOrigin = "flag" | "environment" | "config";

/** Options of {@linkcode fetchEtcd}; version, checksum and machine are as in a release. */
export interface FetchEtcdOptions extends EtcdReleaseOptions {
  /** Where to download from instead of the official places. */
  readonly mirror?: string | undefined;
  /** The cache, absolute; made if need be. */
  readonly cacheDir: string;
  /** Told after every piece of a download. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Ends the search; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Bounds of the download other than the usual ones. */
  readonly limits?: Partial<DownloadLimits> | undefined;
}

/** Options of {@linkcode findEtcd}. */
export interface FindEtcdOptions extends FetchEtcdOptions {
  /** The etcd that was named; then no other is looked for. */
  readonly binary?: string | undefined;
  /** Where it was named, for messages. @default {"config"} */
  readonly binaryFrom?: BinaryOrigin | undefined;
  /** The text of PATH. */
  readonly path?: string | undefined;
}

const ORIGIN_NAMES: Readonly<Record<BinaryOrigin, string>> = {
  flag: "--etcd-binary",
  environment: "KAT_ETCD_BINARY",
  config: "spec.etcd.binary",
};

/**
 * Returns the etcd to run. The log says so if it is not the one that was
 * asked for, or outdated.
 *
 * @throws {KatError} if there is none, with all that was tried and what to do.
 */
export async function findEtcd(
  options: FindEtcdOptions,
): Promise<EtcdBinaries> {
  if (options.binary !== undefined) {
    return await namedEtcd(options.binary, options);
  }
  try {
    return warnedOf(await cachedEtcd(options) ?? await fetchEtcd(options));
  } catch (error) {
    if (!(error instanceof KatError)) throw error;
    const onPath = await etcdOnPath(options);
    if (onPath.binaries === undefined) {
      throw notFound(error, { rejected: onPath.rejected, options });
    }
    logger("etcd").info("Using the etcd on PATH, as none could be fetched", {
      etcd: onPath.binaries.etcd,
      version: versionText(onPath.binaries.version),
      reason: error.message,
    });
    return warnedOf(onPath.binaries);
  }
}

/**
 * Returns the release from the cache, downloading it first if need be; what
 * `kat-agent etcd fetch` does.
 *
 * @throws {KatError} if it cannot be had; the cache then holds no part of it.
 */
export async function fetchEtcd(
  options: FetchEtcdOptions,
): Promise<EtcdBinaries> {
  const { cacheDir, mirror, onProgress, signal, limits } = options;
  const release = etcdRelease(options);
  // What downloads and unpacks is large, and seldom wanted.
  const { installEtcd } = await import("./install_etcd.ts");
  return await installEtcd({
    cacheDir,
    release,
    urls: archiveUrls(release, mirror),
    onProgress,
    signal,
    limits,
  });
}

/**
 * Says where the etcd will be found unless it has to be fetched first, without
 * looking at what is in the file; `undefined` if there is none.
 */
export async function guessEtcd(
  { binary, cacheDir, ...options }: Pick<
    FindEtcdOptions,
    "binary" | "cacheDir" | keyof EtcdReleaseOptions
  >,
): Promise<string | undefined> {
  if (binary !== undefined) return resolve(binary);
  try {
    const etcd = join(
      releaseDirectory(cacheDir, etcdRelease(options)),
      "etcd",
    );
    return await isExecutableFile(etcd) ? etcd : undefined;
  } catch {
    // What is wrong with the settings is said by who looks for etcd.
    return undefined;
  }
}

/** The release from the cache, if its server is there and whole; the agent runs no other program of it. */
async function cachedEtcd(
  options: FindEtcdOptions,
): Promise<EtcdBinaries | undefined> {
  const { cacheDir, signal } = options;
  const release = etcdRelease(options);
  try {
    const state = await inspectRelease(cacheDir, release, {
      signal,
      programs: ["etcd"],
    });
    return state.kind === "intact" ? state.binaries : undefined;
  } catch {
    // Said, with what to do, by who would fetch it.
    return undefined;
  }
}

async function namedEtcd(
  binary: string,
  { binaryFrom = "config", signal }: FindEtcdOptions,
): Promise<EtcdBinaries> {
  const origin = ORIGIN_NAMES[binaryFrom];
  const etcd = resolve(binary);
  try {
    const version = await askVersion(etcd, { signal });
    if (supportOf(version) === "unsupported") throw unsupported(etcd, version);
    return warnedOf(
      await withCompanions(etcd, { version, source: "setting" }),
    );
  } catch (error) {
    if (!(error instanceof KatError)) throw error;
    throw new KatError(`${error.message} (named by ${origin})`, {
      hint:
        `Correct ${origin}, or leave it out to have etcd ${PINNED_ETCD_VERSION} fetched`,
      cause: error,
    });
  }
}

function unsupported(etcd: string, version: EtcdVersion): KatError {
  return new KatError(
    `Cannot use ${JSON.stringify(etcd)}: it is etcd ${
      versionText(version)
    }, and only 3.5 to 3.7 are supported`,
  );
}

interface PathResult {
  readonly binaries?: EtcdBinaries;
  /** Those that are there but cannot be used, each with why. */
  readonly rejected: readonly string[];
}

async function etcdOnPath(
  { path = "", signal }: FindEtcdOptions,
): Promise<PathResult> {
  const rejected: string[] = [];
  // A relative entry would mean whatever directory the agent was started in.
  for (const directory of new Set(path.split(":").filter(isAbsolute))) {
    const etcd = join(directory, "etcd");
    if (!await isExecutableFile(etcd)) continue;
    try {
      const version = await askVersion(etcd, { signal });
      if (supportOf(version) === "unsupported") {
        throw unsupported(etcd, version);
      }
      return {
        rejected,
        binaries: await withCompanions(etcd, { version, source: "path" }),
      };
    } catch (error) {
      if (!(error instanceof KatError)) throw error;
      rejected.push(error.message);
    }
  }
  return { rejected };
}

function notFound(
  error: KatError,
  { rejected, options }: {
    readonly rejected: readonly string[];
    readonly options: FindEtcdOptions;
  },
): KatError {
  const onPath = rejected.length === 0
    ? "no etcd on PATH"
    : rejected.join("; ");
  const hint =
    `Name an etcd with --etcd-binary, a mirror with spec.etcd.mirror, or run "kat-agent etcd fetch" on a machine of the same kind with a network and copy ${
      cacheRoot(options.cacheDir)
    } from there`;
  return new KatError(`${error.message}; ${onPath}`, {
    hint: error.hint === undefined ? hint : `${error.hint}. ${hint}`,
    cause: error,
  });
}

function warnedOf(binaries: EtcdBinaries): EtcdBinaries {
  if (supportOf(binaries.version) === "outdated") {
    logger("etcd").warning(
      "This etcd is no longer maintained, use 3.5 or later",
      { etcd: binaries.etcd, version: versionText(binaries.version) },
    );
  }
  return binaries;
}
