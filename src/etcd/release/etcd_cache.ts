/**
 * The releases in the cache: where they are, and whether their programs are
 * those that were published.
 *
 * Each has a directory with its programs and the archive that they came from.
 * The only thing that the agent knows beforehand is the archive's SHA-256, from
 * its own source or from cluster.kat, and so the archive stays there: a list of
 * checksums beside the programs could have been written by whoever wrote the
 * programs. To compare with the archive means to unpack it (0.3 s), so a node
 * remembers the SHA-256 of its program in `node.json` once it was seen to come
 * from it, and then only reads the program, as it always must.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { KatError, messageOf } from "../../base/errors.ts";
import { checkedPath, lookAtPath } from "../../base/files/checked_path.ts";
import { openOwn } from "../../base/files/open_own.ts";
import { PathError } from "../../base/files/untrusted_path.ts";
import { versionText } from "../etcd_version.ts";
import { type EtcdBinaries, type Program, PROGRAMS } from "./etcd_binaries.ts";
import { archiveName, type EtcdRelease } from "./etcd_release.ts";
import { checksumOf, type FileChecksum, piecesOf } from "./file_pieces.ts";

/** Whether the cache holds a release, and in which state. */
export type CacheState =
  | { readonly kind: "absent" }
  | { readonly kind: "damaged"; readonly reason: string }
  | { readonly kind: "intact"; readonly binaries: EtcdBinaries };

/** A server of etcd that was seen to come from an archive. */
export interface KnownProgram {
  /** The archive's SHA-256, in lowercase hex. */
  readonly archiveSha256: string;
  /** The server's. */
  readonly sha256: string;
}

/** Returns the directory of all releases. */
export function cacheRoot(cacheDir: string): string {
  return join(cacheDir, "etcd");
}

/** Returns the directory of one release. */
export function releaseDirectory(
  cacheDir: string,
  { version, platform }: EtcdRelease,
): string {
  return join(cacheRoot(cacheDir), `v${versionText(version)}-${platform}`);
}

/** Returns the archive that the programs in the directory of a release came from. */
export function keptArchive(directory: string, release: EtcdRelease): string {
  return join(directory, archiveName(release));
}

/** Options of {@linkcode inspectRelease}. */
export interface InspectReleaseOptions {
  /** Ends the reading; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** The programs to check; the result leaves out the others. @default {PROGRAMS} */
  readonly programs?: readonly Program[] | undefined;
  /** What the node remembers of its server; it need not be compared with the archive. */
  readonly known?: KnownProgram | undefined;
}

/**
 * Reads every byte of a release in the cache and compares it with what was
 * published.
 *
 * @throws {PathError} if another user can change the cache.
 * @throws {Error} as the file system says, if the cache cannot be read.
 */
export async function inspectRelease(
  cacheDir: string,
  release: EtcdRelease,
  { signal, programs = PROGRAMS, known }: InspectReleaseOptions = {},
): Promise<CacheState> {
  const root = await checkedPath(cacheRoot(cacheDir));
  const directory = releaseDirectory(dirname(root), release);
  try {
    // Through links as well: a release may be on another disk.
    const { entry } = await lookAtPath(directory);
    if (entry === undefined) return { kind: "absent" };
    const found = await checksumsIn(directory, { programs, signal });
    const isKnown = programs.length === 1 && programs[0] === "etcd" &&
      known?.archiveSha256 === release.sha256 &&
      known.sha256 === found.get("etcd")?.sha256;
    if (!isKnown) {
      const { proveFromArchive } = await import("./prove_programs.ts");
      const archive = keptArchive(directory, release);
      const proven = await proveFromArchive(archive, {
        release,
        programs,
        signal,
      });
      if (proven === undefined) {
        return damaged("it comes from an archive with another SHA-256");
      }
      const reason = differenceOf(found, proven);
      if (reason !== undefined) return damaged(reason);
    }
    return {
      kind: "intact",
      binaries: binariesIn(directory, { release, found }),
    };
  } catch (error) {
    signal?.throwIfAborted();
    return damaged(
      error instanceof PathError
        ? `${JSON.stringify(error.at)}: ${error.reason}`
        : messageOf(error),
    );
  }
}

function damaged(reason: string): CacheState {
  return { kind: "damaged", reason };
}

/** The checksums of those programs that are there. */
async function checksumsIn(
  directory: string,
  { programs, signal }: InspectReleaseOptions & {
    readonly programs: readonly Program[];
  },
): Promise<ReadonlyMap<Program, FileChecksum>> {
  const found = new Map<Program, FileChecksum>();
  for (const name of programs) {
    try {
      using file = await openOwn(join(directory, name));
      const { mode } = await file.stat();
      if (mode !== null && (mode & 0o111) === 0) {
        throw new KatError(`${name} is not executable`);
      }
      found.set(name, await checksumOf(piecesOf(file), { signal }));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found;
}

function differenceOf(
  found: ReadonlyMap<Program, FileChecksum>,
  proven: ReadonlyMap<string, FileChecksum>,
): string | undefined {
  if (!found.has("etcd")) return "etcd is missing";
  for (const name of new Set([...found.keys(), ...proven.keys()])) {
    const there = found.get(name as Program);
    const wanted = proven.get(name);
    if (there === undefined) return `${name} is missing`;
    if (wanted === undefined) return `${name} is not in its archive`;
    if (there.size !== wanted.size) {
      return `${name} has ${there.size} bytes instead of ${wanted.size}`;
    }
    if (there.sha256 !== wanted.sha256) {
      return `${name} has another SHA-256 than in its archive`;
    }
  }
  return undefined;
}

function binariesIn(
  directory: string,
  { release, found }: {
    readonly release: EtcdRelease;
    readonly found: ReadonlyMap<Program, FileChecksum>;
  },
): EtcdBinaries {
  const paths = [...found.keys()].map((name) => [name, join(directory, name)]);
  return {
    ...Object.fromEntries(paths),
    etcd: join(directory, "etcd"),
    version: release.version,
    source: "cache",
    known: {
      archiveSha256: release.sha256,
      sha256: found.get("etcd")?.sha256 ?? "",
    },
  };
}
