/**
 * The releases in the cache: where they are, and whether they are undamaged.
 *
 * Each has a directory with its programs and `manifest.json`, which holds the
 * checksums of the archive and of each program. They find damage and mistakes,
 * but no attack: a person who may write to the cache can write a manifest, too.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import * as v from "valibot";
import { syncDirectory } from "../../base/atomic_file.ts";
import { messageOf } from "../../base/errors.ts";
import { type EtcdBinaries, type Program, PROGRAMS } from "./etcd_binaries.ts";
import type { EtcdRelease } from "./etcd_release.ts";
import { versionText } from "../etcd_version.ts";
import { PartialFile } from "./partial_file.ts";
import type { FileChecksum } from "./unpack_archive.ts";

/** Whether the cache holds a release, and in which state. */
export type CacheState =
  | { readonly kind: "absent" }
  | { readonly kind: "damaged"; readonly reason: string }
  | { readonly kind: "intact"; readonly binaries: EtcdBinaries };

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

const checksumSchema = v.object({ size: v.number(), sha256: v.string() });
const manifestSchema = v.object({
  archiveSha256: v.string(),
  files: v.object({
    etcd: checksumSchema,
    etcdctl: v.optional(checksumSchema),
    etcdutl: v.optional(checksumSchema),
  }),
});

const MANIFEST = "manifest.json";
/** The most that is read of a manifest, which has 500 bytes. */
const MAX_MANIFEST_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;

/** Writes the manifest of the programs in `directory`, and makes all of it durable. */
export async function writeManifest(
  directory: string,
  { release, checksums }: {
    readonly release: EtcdRelease;
    readonly checksums: ReadonlyMap<string, FileChecksum>;
  },
): Promise<void> {
  const manifest = {
    archiveSha256: release.sha256,
    files: Object.fromEntries(checksums),
  };
  const path = join(directory, MANIFEST);
  await using file = await PartialFile.create(path);
  await file.append(
    new TextEncoder().encode(JSON.stringify(manifest, null, 2) + "\n"),
  );
  await Deno.chmod(path, 0o644);
  await file.keep();
  await syncDirectory(directory);
}

/** Options of {@linkcode inspectRelease}. */
export interface InspectReleaseOptions {
  /** Ends the reading; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** The programs to check; the result leaves out the others. @default {PROGRAMS} */
  readonly programs?: readonly Program[] | undefined;
}

/**
 * Reads every byte of a release in the cache and compares it with its manifest.
 *
 * @throws {Error} as the file system says, if the cache cannot be read.
 */
export async function inspectRelease(
  cacheDir: string,
  release: EtcdRelease,
  { signal, programs = PROGRAMS }: InspectReleaseOptions = {},
): Promise<CacheState> {
  const directory = releaseDirectory(cacheDir, release);
  try {
    await Deno.lstat(directory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { kind: "absent" };
    throw error;
  }
  try {
    const manifest = await readManifest(join(directory, MANIFEST));
    if (manifest.archiveSha256 !== release.sha256) {
      return damaged("it comes from an archive with another SHA-256");
    }
    const paths: { -readonly [Name in Program]?: string } = {};
    for (const name of programs) {
      const checksum = manifest.files[name];
      if (checksum === undefined) continue;
      const path = join(directory, name);
      const reason = await damageOf(path, { ...checksum, signal });
      if (reason !== undefined) return damaged(`${name} ${reason}`);
      paths[name] = path;
    }
    const etcd = join(directory, "etcd");
    const binaries = {
      ...paths,
      etcd,
      version: release.version,
      source: "cache",
    } as const;
    return { kind: "intact", binaries };
  } catch (error) {
    signal?.throwIfAborted();
    return damaged(messageOf(error));
  }
}

function damaged(reason: string): CacheState {
  return { kind: "damaged", reason };
}

async function readManifest(
  path: string,
): Promise<v.InferOutput<typeof manifestSchema>> {
  const { isFile, size } = await Deno.lstat(path);
  if (!isFile || size > MAX_MANIFEST_BYTES) {
    throw new Error(`${MANIFEST} is not a manifest of kat-agent`);
  }
  return v.parse(manifestSchema, JSON.parse(await Deno.readTextFile(path)));
}

async function damageOf(
  path: string,
  expected: FileChecksum & InspectReleaseOptions,
): Promise<string | undefined> {
  const { isFile, size, mode } = await Deno.lstat(path);
  if (!isFile) return "is not a plain file";
  if (mode !== null && (mode & 0o111) === 0) return "is not executable";
  if (size !== expected.size) {
    return `has ${size} bytes instead of ${expected.size}`;
  }
  return await sha256Of(path, expected.signal) === expected.sha256
    ? undefined
    : "has another SHA-256 than when it was fetched";
}

async function sha256Of(
  path: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(READ_BYTES);
  using file = await Deno.open(path);
  while (true) {
    signal?.throwIfAborted();
    const count = await file.read(buffer);
    if (count === null) return hash.digest("hex");
    hash.update(buffer.subarray(0, count));
  }
}
