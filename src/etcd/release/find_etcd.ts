/**
 * Finds the etcd that the agent runs: the one that a setting names; else the
 * release in the cache; else a download of it; else an etcd on PATH.
 *
 * @module
 */

import { dirname, join, resolve } from "node:path";
import { PINNED_ETCD_VERSION } from "../../config/pinned_etcd.ts";
import { KatError } from "../../base/errors.ts";
import { checkedPath } from "../../base/files/checked_path.ts";
import { logger } from "../../base/log.ts";
import type { DownloadLimits, DownloadProgress } from "./download_limits.ts";
import {
  askVersion,
  type EtcdBinaries,
  isExecutableFile,
  withOtherPrograms,
} from "./etcd_binaries.ts";
import {
  cacheRoot,
  inspectRelease,
  type KnownProgram,
  releaseDirectory,
} from "./etcd_cache.ts";
import {
  archiveUrls,
  etcdRelease,
  type EtcdReleaseOptions,
} from "./etcd_release.ts";
import {
  type EtcdVersion,
  parseEtcdVersion,
  supportOf,
  versionText,
} from "../etcd_version.ts";
import { type ForbiddenJump, forbiddenJump } from "../version_jump.ts";
import { type FormerEtcd, localEtcd, SUPPORTED_TEXT } from "./local_etcd.ts";

/** Where the path of the etcd was set. */
export type BinaryOrigin = "flag" | "environment" | "config";

/** Options of {@linkcode fetchEtcd}; version, checksum and machine are as in a release. */
export interface FetchEtcdOptions extends EtcdReleaseOptions {
  /** The URL to download from instead of the official servers. */
  readonly mirror?: string | undefined;
  /** The directory of the cache, absolute; made if it is missing. */
  readonly cacheDir: string;
  /** Called after every piece of a download. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Ends the search; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Bounds of the download other than the usual ones. */
  readonly limits?: Partial<DownloadLimits> | undefined;
}

/** Options of {@linkcode findEtcd}. */
export interface FindEtcdOptions extends FetchEtcdOptions {
  /** The path of the etcd that a setting names; no other is then used. */
  readonly binary?: string | undefined;
  /** Which setting names it, for messages. @default {"config"} */
  readonly binaryFrom?: BinaryOrigin | undefined;
  /** The value of PATH. */
  readonly path?: string | undefined;
  /** A cache of root's, looked at after the own one. */
  readonly systemCacheDir?: string | undefined;
  /** What the node remembers of its server. */
  readonly known?: KnownProgram | undefined;
  /** The etcd that wrote the node's data; `undefined` if there is no data yet. */
  readonly former?: FormerEtcd | undefined;
}

const ORIGIN_NAMES: Readonly<Record<BinaryOrigin, string>> = {
  flag: "--etcd-binary",
  environment: "KAT_ETCD_BINARY",
  config: "spec.etcd.binary",
};

/**
 * Returns the etcd to run. The log tells if it comes from PATH, or is outdated.
 *
 * A new cluster is begun only by an etcd that the release could take over, or
 * by one that a setting names; and data that the release may not take over goes
 * on with the etcd that wrote it.
 *
 * @throws {KatError} if there is none; the message lists all that was tried.
 */
export async function findEtcd(
  options: FindEtcdOptions,
): Promise<EtcdBinaries> {
  if (options.binary !== undefined) {
    return await namedEtcd(options.binary, options);
  }
  const { former, path, signal } = options;
  const next = parseEtcdVersion(options.version ?? PINNED_ETCD_VERSION);
  const jump = former && forbiddenJump(former, next);
  if (jump) return await formerEtcd(former, { jump, next, options });
  try {
    return warnIfOutdated(
      await cachedEtcd(options) ?? await fetchEtcd(options),
    );
  } catch (error) {
    if (!(error instanceof KatError)) throw error;
    const local = await localEtcd({ path, former, next, signal });
    if (local.binaries === undefined) {
      throw notFound(error, { rejected: local.rejected, options });
    }
    logger("etcd").info(
      local.binaries.etcd === former?.binary
        ? "Using the etcd that this node ran before, because none could be fetched"
        : "Using the etcd on PATH, because none could be fetched",
      {
        etcd: local.binaries.etcd,
        version: versionText(local.binaries.version),
        reason: error.message,
      },
    );
    return warnIfOutdated(local.binaries);
  }
}

/**
 * Returns an etcd that goes on with data that the wanted version may not take
 * over: the one that wrote it, or one that may follow that.
 *
 * @throws {KatError} if there is none; it names both versions and the ways on.
 */
async function formerEtcd(
  former: FormerEtcd,
  { jump, next, options: { path, signal } }: {
    readonly jump: ForbiddenJump;
    readonly next: EtcdVersion;
    readonly options: FindEtcdOptions;
  },
): Promise<EtcdBinaries> {
  const { binaries, rejected } = await localEtcd({ path, former, signal });
  const wrote = versionText(former.member);
  if (binaries === undefined) {
    throw new KatError(
      `Cannot run this node's etcd: ${
        [jump.why, ...rejected].join("; ")
      }; no other etcd on PATH fits`,
      {
        hint:
          `Install etcd ${wrote} again, or name one with --etcd-binary or spec.etcd.binary. ${
            upgradeHint(jump, next)
          }; nothing was touched`,
      },
    );
  }
  logger("etcd").warn(
    "Going on with the etcd that fits the data, because the wanted version may not take it over",
    {
      etcd: binaries.etcd,
      version: versionText(binaries.version),
      wanted: versionText(next),
      reason: jump.why,
      hint: upgradeHint(jump, next),
    },
  );
  return warnIfOutdated(binaries);
}

function upgradeHint({ hint }: ForbiddenJump, next: EtcdVersion): string {
  return `To get to etcd ${versionText(next)}: ${hint.charAt(0).toLowerCase()}${
    hint.slice(1)
  }`;
}

/**
 * Returns the release from the cache; downloads it first if it is not there.
 * `kat-agent etcd fetch` does this.
 *
 * @throws {KatError} if it cannot be installed; the cache then holds no part of it.
 */
export async function fetchEtcd(
  options: FetchEtcdOptions,
): Promise<EtcdBinaries> {
  const { cacheDir, mirror, onProgress, signal, limits } = options;
  const release = etcdRelease(options);
  // Loaded here, as the code to download and unpack is large and seldom needed.
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
 * Returns the path that {@linkcode findEtcd} will probably return, without
 * reading the file; `undefined` if etcd has to be fetched first.
 */
export async function guessEtcd(
  { binary, cacheDir, systemCacheDir, ...options }: Pick<
    FindEtcdOptions,
    "binary" | "cacheDir" | "systemCacheDir" | keyof EtcdReleaseOptions
  >,
): Promise<string | undefined> {
  if (binary !== undefined) return resolve(binary);
  try {
    const release = etcdRelease(options);
    for (const cache of cachesOf({ cacheDir, systemCacheDir })) {
      const root = await checkedPath(cacheRoot(cache));
      const etcd = join(releaseDirectory(dirname(root), release), "etcd");
      if (await isExecutableFile(etcd)) return etcd;
    }
  } catch {
    // `findEtcd` reports what is wrong with the settings.
  }
  return undefined;
}

/** The release from the cache if its server is undamaged; the agent runs no other program of it. */
async function cachedEtcd(
  options: FindEtcdOptions,
): Promise<EtcdBinaries | undefined> {
  const { signal, known } = options;
  const release = etcdRelease(options);
  for (const cache of cachesOf(options)) {
    try {
      const state = await inspectRelease(cache, release, {
        signal,
        programs: ["etcd"],
        known,
      });
      if (state.kind === "intact") return state.binaries;
    } catch {
      // `fetchEtcd` meets the same error and reports it.
      signal?.throwIfAborted();
    }
  }
  return undefined;
}

function cachesOf(
  { cacheDir, systemCacheDir }: Pick<
    FindEtcdOptions,
    "cacheDir" | "systemCacheDir"
  >,
): string[] {
  const caches = systemCacheDir === undefined
    ? [cacheDir]
    : [cacheDir, systemCacheDir];
  return [...new Set(caches)];
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
    return warnIfOutdated(
      await withOtherPrograms(etcd, { version, source: "setting" }),
    );
  } catch (error) {
    if (!(error instanceof KatError)) throw error;
    throw new KatError(`${error.message} (set by ${origin})`, {
      hint:
        `Correct ${origin}, or leave it out: kat-agent then fetches etcd ${PINNED_ETCD_VERSION}`,
      cause: error,
    });
  }
}

function unsupported(etcd: string, version: EtcdVersion): KatError {
  return new KatError(
    `Cannot use ${JSON.stringify(etcd)}: it is etcd ${
      versionText(version)
    }, and ${SUPPORTED_TEXT}`,
  );
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
    `Name an etcd with --etcd-binary or spec.etcd.binary, set spec.etcd.mirror to another server, or run "kat-agent etcd fetch" on a machine with a network and the same kind of processor, and copy its ${
      cacheRoot(options.cacheDir)
    } to this one`;
  return new KatError(`${error.message}; ${onPath}`, {
    hint: error.hint === undefined ? hint : `${error.hint}. ${hint}`,
    cause: error,
  });
}

/** Returns what it was given. */
function warnIfOutdated(binaries: EtcdBinaries): EtcdBinaries {
  if (supportOf(binaries.version) === "outdated") {
    logger("etcd").warn(
      "This version of etcd is no longer maintained: use 3.5 or later",
      { etcd: binaries.etcd, version: versionText(binaries.version) },
    );
  }
  return binaries;
}
