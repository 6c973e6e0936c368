/**
 * Installs a release of etcd in the cache: whole, checked and durable, or not at
 * all.
 *
 * It works in a temporary directory beside the final one. Only a program from an
 * archive with the right SHA-256 is made executable, and only if it prints the
 * right version, the directory gets its final name. The archive stays beside the
 * programs, as their proof.
 *
 * @module
 */

import { join } from "node:path";
import { KatError, messageOf } from "../../base/errors.ts";
import { makeOwnDir } from "../../base/files/own_dir.ts";
import { namesInOwn } from "../../base/files/read_own.ts";
import { PathError } from "../../base/files/untrusted_path.ts";
import {
  moveOwn,
  removeOwn,
  settleOwn,
  syncOwnDir,
} from "../../base/files/write_own.ts";
import { logger } from "../../base/log.ts";
import { lockCache } from "./cache_lock.ts";
import { download } from "./download.ts";
import { DownloadError, shownUrl } from "./download_error.ts";
import type { DownloadLimits, DownloadProgress } from "./download_limits.ts";
import { askVersion, type EtcdBinaries, PROGRAMS } from "./etcd_binaries.ts";
import {
  cacheRoot,
  inspectRelease,
  keptArchive,
  releaseDirectory,
} from "./etcd_cache.ts";
import {
  archiveDirectory,
  archiveName,
  type EtcdRelease,
} from "./etcd_release.ts";
import { compareEtcdVersions, versionText } from "../etcd_version.ts";
import { unpackArchive } from "./unpack_archive.ts";

/** Options of {@linkcode installEtcd}. */
export interface InstallEtcdOptions {
  /** The directory of the cache, absolute; made if it is missing. */
  readonly cacheDir: string;
  /** The release to install. */
  readonly release: EtcdRelease;
  /** The URLs of its archive, tried in this order. */
  readonly urls: readonly URL[];
  /** Called after every piece of the archive. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Ends the work; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Bounds of the download other than the usual ones. */
  readonly limits?: Partial<DownloadLimits> | undefined;
}

/** The prefix of temporary directories; no other name in the cache has it. */
const TEMPORARY_PREFIX = ".new-";

/**
 * Returns the release from the cache; downloads it first if it is missing there
 * or damaged. If several agents do so at once, one downloads and the others wait.
 *
 * @throws {KatError} if it cannot be installed; the cache then holds no part of it.
 */
export async function installEtcd(
  options: InstallEtcdOptions,
): Promise<EtcdBinaries> {
  const { cacheDir, release, signal } = options;
  const root = cacheRoot(cacheDir);
  try {
    const before = await inspectRelease(cacheDir, release, { signal });
    if (before.kind === "intact") return before.binaries;
    await makeOwnDir(root, { mode: 0o755 });
    using _lock = await lockCache(join(root, ".lock"), { signal });
    await removeLeftovers(root);
    const state = await inspectRelease(cacheDir, release, { signal });
    if (state.kind === "intact") return state.binaries;
    return await (state.kind === "damaged"
      ? replaceDamaged(state.reason, options)
      : install(options));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof PathError) throw notOurs(cacheDir, error);
    if (!isOfFileSystem(error)) throw error;
    throw new KatError(
      `Cannot keep etcd in "${root}": ${messageOf(error)}`,
      {
        hint:
          "Make that directory writable for kat-agent, and see that its disk has 100 MB free",
        cause: error,
      },
    );
  }
}

/** Installs the release anew. The damaged one stays until that is done, and is never run. */
async function replaceDamaged(
  reason: string,
  options: InstallEtcdOptions,
): Promise<EtcdBinaries> {
  const directory = releaseDirectory(options.cacheDir, options.release);
  logger("etcd").warn("Replacing the damaged etcd in the cache", {
    directory,
    reason,
  });
  try {
    return await install(options);
  } catch (error) {
    if (!(error instanceof KatError)) throw error;
    throw new KatError(
      `${error.message}; the etcd in the cache, "${directory}", is damaged: ${reason}`,
      { hint: error.hint, cause: error },
    );
  }
}

/** Downloads, unpacks, checks and renames; the caller holds the lock. */
async function install(options: InstallEtcdOptions): Promise<EtcdBinaries> {
  const { cacheDir, release, signal } = options;
  const root = cacheRoot(cacheDir);
  const temporary = await makeOwnDir(
    join(root, `${TEMPORARY_PREFIX}${crypto.randomUUID()}`),
  );
  try {
    const made = await makeOwnDir(join(temporary, "release"), { mode: 0o755 });
    const archive = keptArchive(made, release);
    await downloadFromFirst(archive, options);
    await settleOwn(archive, { mode: 0o644 });
    const checksums = await unpackArchive(archive, {
      directory: archiveDirectory(release),
      names: PROGRAMS,
      into: made,
      signal,
    });
    if (!checksums.has("etcd")) throw unusable(release, "it holds no etcd");
    for (const name of checksums.keys()) {
      await settleOwn(join(made, name), { mode: 0o755 });
    }
    await assertVersion(join(made, "etcd"), options);
    await syncOwnDir(made);
    await replaceDirectory(releaseDirectory(cacheDir, release), {
      by: made,
      old: join(temporary, "old"),
    });
    await syncOwnDir(root);
  } finally {
    // If this fails, the next agent that holds the lock removes it.
    await removeOwn(temporary, { recursive: true }).catch(() => {});
  }
  const state = await inspectRelease(cacheDir, release, { signal });
  if (state.kind !== "intact") {
    const reason = state.kind === "damaged" ? state.reason : "it is missing";
    throw new KatError(
      `Cannot keep etcd in "${root}": right after it was written, ${reason}`,
      {
        hint:
          "Check the disk, and whether another program changes that directory",
      },
    );
  }
  return { ...state.binaries, source: "download" };
}

/** Tries one URL after the other. */
async function downloadFromFirst(
  archive: string,
  { release, urls, onProgress, signal, limits }: InstallEtcdOptions,
): Promise<void> {
  const log = logger("etcd");
  const version = versionText(release.version);
  const failures: DownloadError[] = [];
  for (const url of urls) {
    log.info("Fetching etcd", { version, url: shownUrl(url) });
    try {
      await download(url, {
        to: archive,
        sha256: release.sha256,
        onProgress,
        signal,
        limits,
      });
      return;
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      failures.push(error);
      log.debug("Cannot fetch etcd from this URL", {
        url: error.url,
        reason: error.reason,
      });
    }
  }
  const reasons = failures.map(({ url, reason }) => `"${url}": ${reason}`);
  throw new KatError(
    `Cannot download etcd ${version}: ${reasons.join("; ")}`,
    { hint: failures[0]?.hint, cause: failures[0] },
  );
}

async function assertVersion(
  etcd: string,
  { release, signal }: InstallEtcdOptions,
): Promise<void> {
  let found;
  try {
    found = await askVersion(etcd, { signal });
  } catch (error) {
    if (!(error instanceof KatError)) throw error;
    throw unusable(release, error.message, error);
  }
  if (compareEtcdVersions(found, release.version) !== 0) {
    throw unusable(release, `its etcd is ${versionText(found)}`);
  }
}

/** Renames a directory; the old one is moved away first, as a rename cannot replace a directory. */
async function replaceDirectory(
  directory: string,
  { by, old }: { readonly by: string; readonly old: string },
): Promise<void> {
  await moveOwn(directory, old).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await moveOwn(by, directory);
}

/** Removes what interrupted agents left; the caller holds the lock, so that no agent works there. */
async function removeLeftovers(root: string): Promise<void> {
  for (const name of await namesInOwn(root)) {
    if (name.startsWith(TEMPORARY_PREFIX)) {
      await removeOwn(join(root, name), { recursive: true });
    }
  }
}

/**
 * The cache is not to be used, whether or not there is 100 MB of space. Handed
 * over, it would be believed with all that another user has put there.
 */
function notOurs(cacheDir: string, { at, reason, hint }: PathError): KatError {
  const root = cacheRoot(cacheDir);
  const where = at === root ? "" : `${JSON.stringify(at)} leads to it, and `;
  const isPart = at === cacheDir || at.startsWith(`${cacheDir}/`);
  return new KatError(`Cannot keep etcd in "${root}": ${where}${reason}`, {
    hint: `${
      isPart
        ? `Remove it, for all in it can be had again: rm -rf ${
          JSON.stringify(cacheDir)
        }`
        : hint
    }. Or give another directory with --cache-dir`,
  });
}

function unusable(
  release: EtcdRelease,
  reason: string,
  cause?: unknown,
): KatError {
  return new KatError(
    `Cannot use ${archiveName(release)}: its SHA-256 is right, but ${reason}`,
    {
      hint:
        "Check that spec.etcd.version and spec.etcd.sha256 belong to the same archive for this machine",
      cause,
    },
  );
}

/** Whether the operating system reported the error: its number is in the message, whatever the class. */
function isOfFileSystem(error: unknown): boolean {
  return error instanceof Error && !(error instanceof KatError) &&
    /\(os error \d+\)/.test(error.message);
}
