/**
 * etcd's programs on this machine, and the version that they print.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { abortable, Deadline } from "../../base/abortable.ts";
import { escapeControls } from "../../base/escape_controls.ts";
import { KatError, messageOf } from "../../base/errors.ts";
import { type EtcdVersion, parseEtcdVersion } from "../etcd_version.ts";
import type { KnownProgram } from "./etcd_cache.ts";
import { assertRunnable } from "./program_file.ts";

/** Where etcd's programs come from: a setting, the cache, a download just now, or PATH. */
export type EtcdSource = "setting" | "cache" | "download" | "path";

/** etcd's programs as absolute paths, with their version and origin. */
export interface EtcdBinaries {
  /** The server. */
  readonly etcd: string;
  /** The client, if it is there. */
  readonly etcdctl?: string;
  /** The tool for data directories, if it is there; etcd 3.4 has none. */
  readonly etcdutl?: string;
  /** The server's version. */
  readonly version: EtcdVersion;
  /** Where they come from. */
  readonly source: EtcdSource;
  /** What a node is to remember of the server, if it came from an archive. */
  readonly known?: KnownProgram | undefined;
}

/** The programs of a release, the server first; only the server is required. */
export const PROGRAMS = ["etcd", "etcdctl", "etcdutl"] as const;
/** One of {@linkcode PROGRAMS}. */
export type Program = typeof PROGRAMS[number];

/** How long `etcd --version` may take, in milliseconds; on a slow machine it takes 30. */
const VERSION_MS = 15_000;
/** How many bytes of a program's output are kept; etcd prints 100. */
const OUTPUT_BYTES = 4_096;

/** Options of {@linkcode askVersion}. */
export interface AskVersionOptions {
  /** Ends the program; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long it may take, in milliseconds. @default {15000} */
  readonly withinMs?: number | undefined;
}

/**
 * Runs the program at `path` with `--version` and an empty environment, and
 * reads what it prints.
 *
 * @throws {KatError} if it is not a program for this machine, or does not print
 * a version of etcd.
 */
export async function askVersion(
  path: string,
  { signal, withinMs = VERSION_MS }: AskVersionOptions = {},
): Promise<EtcdVersion> {
  await assertRunnable(path);
  using inTime = new Deadline(
    withinMs,
    () => refusal(path, `no answer within ${withinMs / 1000} s`),
    [signal],
  );
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(path, {
      args: ["--version"],
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    throw refusal(path, messageOf(error), error);
  }
  try {
    const [stdout, stderr, status] = await abortable(
      Promise.all([
        firstOf(child.stdout),
        firstOf(child.stderr),
        child.status,
      ]),
      inTime.signal,
    );
    if (!status.success) {
      const said = escapeControls(stderr.trim().split("\n").at(-1) ?? "");
      throw refusal(path, `it ended with code ${status.code}: ${said}`);
    }
    return versionIn(stdout, path);
  } finally {
    kill(child);
    await child.status;
  }
}

function versionIn(output: string, path: string): EtcdVersion {
  try {
    return parseEtcdVersion(output);
  } catch (error) {
    throw refusal(path, messageOf(error), error);
  }
}

/** Adds to a server the other programs of etcd that are in the same directory. */
export async function withOtherPrograms(
  etcd: string,
  found: Pick<EtcdBinaries, "version" | "source">,
): Promise<EtcdBinaries> {
  const others: { -readonly [Name in Program]?: string } = {};
  for (const name of PROGRAMS) {
    const path = join(dirname(etcd), name);
    if (name !== "etcd" && await isExecutableFile(path)) {
      others[name] = path;
    }
  }
  return { ...others, etcd, ...found };
}

/** Whether `path` is a file with any execute permission. */
export async function isExecutableFile(path: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && (mode === null || (mode & 0o111) !== 0);
  } catch {
    return false;
  }
}

/** Reads a stream to its end, and returns its first bytes. */
async function firstOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of stream) {
    if (text.length < OUTPUT_BYTES) {
      text += decoder.decode(piece.subarray(0, OUTPUT_BYTES), { stream: true });
    }
  }
  return text;
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function refusal(path: string, reason: string, cause?: unknown): KatError {
  return new KatError(`Cannot run ${JSON.stringify(path)}: ${reason}`, {
    hint: "Give an etcd for this machine with --etcd-binary",
    cause,
  });
}
