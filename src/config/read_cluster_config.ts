/**
 * Reads `cluster.kat` from the file system without ever waiting for it: a FIFO
 * or a device is refused, not opened and read.
 *
 * @module
 */

import { constants, type FileHandle, open, stat } from "node:fs/promises";

import { messageOf } from "../base/errors.ts";
import type { ClusterConfig } from "./cluster_config.ts";
import { ConfigError, WHOLE_FILE } from "./config_error.ts";
import { parseClusterConfig } from "./parse_cluster_config.ts";
import { MAX_FILE_BYTES } from "./yaml_source.ts";

/** Options of {@linkcode readClusterConfig}. */
export interface ReadClusterConfigOptions {
  /** The value of `spec.dataDir` where the file has none. */
  readonly defaultDataDir: string | undefined;
}

/**
 * Reads and checks the file at `path`, which may be relative to the current
 * directory.
 *
 * @throws {ConfigError} when it cannot be read, is no regular file or is wrong.
 */
export async function readClusterConfig(
  path: string,
  { defaultDataDir }: ReadClusterConfigOptions,
): Promise<ClusterConfig> {
  const source = await readSource(path);
  return parseClusterConfig(source, { file: path, defaultDataDir });
}

async function readSource(path: string): Promise<Uint8Array> {
  try {
    // `stat` first: opening a device or FIFO has side effects.
    refuseSpecial(path, await stat(path));
    // The file may have been exchanged since; O_NONBLOCK keeps even a FIFO from holding us.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      refuseSpecial(path, await file.stat());
      return await readUpTo(file, MAX_FILE_BYTES + 1);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw unreadable(path, explain(error), error);
  }
}

type Stats = Awaited<ReturnType<FileHandle["stat"]>>;

/** @throws {ConfigError} for anything but a regular file of a reasonable size. */
function refuseSpecial(path: string, stats: Stats): void {
  if (!stats.isFile()) {
    throw unreadable(path, {
      reason: `it is ${kindOf(stats)}, not a regular file`,
      hint: stats.isDirectory()
        ? "Give the file in it, as DIRECTORY/cluster.kat"
        : "Save the configuration to a file and give that one",
    });
  }
  if (stats.size > MAX_FILE_BYTES) {
    throw unreadable(path, {
      reason: `it has ${stats.size} bytes, more than ${MAX_FILE_BYTES}`,
      hint: "Check that it is the right file: a cluster.kat has about 1 KiB",
    });
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a FIFO";
  if (stats.isSocket()) return "a socket";
  return "a device";
}

/** Reads what is there, at most `limit` bytes: also a file that grows meanwhile ends. */
async function readUpTo(file: FileHandle, limit: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(limit);
  let length = 0;
  while (length < limit) {
    const { bytesRead } = await file.read(bytes, length, limit - length, null);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

interface Explanation {
  readonly reason: string;
  readonly hint?: string;
}

function explain(error: unknown): Explanation {
  const code = error instanceof Error && "code" in error ? error.code : "";
  switch (code) {
    case "ENOENT":
      return {
        reason: "there is no such file",
        hint: "Check the path; examples/cluster.kat is one to start from",
      };
    case "EACCES":
    case "EPERM":
      return {
        reason: "permission denied",
        hint: "Let this user read the file and enter its directories",
      };
    case "ENOTDIR":
      return { reason: "a part of the path is not a directory" };
    case "ELOOP":
      return { reason: "its symbolic links form a circle" };
    case "ENAMETOOLONG":
      return { reason: "the path is too long" };
    default:
      return { reason: messageOf(error) };
  }
}

function unreadable(
  path: string,
  { reason, hint }: Explanation,
  cause?: unknown,
): ConfigError {
  const message = `cannot be read: ${reason}`;
  return new ConfigError(
    [{ file: path, line: 0, column: 0, path: WHOLE_FILE, message }],
    { hint, cause },
  );
}
