/**
 * etcd's programs on this machine, and asking them who they are.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { abortable, Deadline } from "../../base/abortable.ts";
import { escapeControls } from "../../base/escape_controls.ts";
import { KatError, messageOf } from "../../base/errors.ts";
import { type EtcdVersion, parseEtcdVersion } from "../etcd_version.ts";
import { assertRunnable } from "./program_file.ts";

/** Where etcd's programs were found: named by a setting, fetched before, fetched now, or on PATH. */
export type EtcdSource = "setting" | "cache" | "download" | "path";

/** etcd's programs, and what is known of them. Paths are absolute. */
export interface EtcdBinaries {
  /** The server. */
  readonly etcd: string;
  /** The client, if it is there. */
  readonly etcdctl?: string;
  /** The tool for data directories, if it is there; etcd 3.4 has none. */
  readonly etcdutl?: string;
  /** The server's version. */
  readonly version: EtcdVersion;
  /** Where they were found. */
  readonly source: EtcdSource;
}

/** The programs of a release, the server first; only the server is a must. */
export const PROGRAMS = ["etcd", "etcdctl", "etcdutl"] as const;
/** One of {@linkcode PROGRAMS}. */
export type Program = typeof PROGRAMS[number];

/** How long `etcd --version` may take, in milliseconds; it takes 30 on a slow machine. */
const VERSION_MS = 15_000;
/** Bytes that are read of what a program prints; etcd prints 100. */
const OUTPUT_BYTES = 4_096;

/** Options of {@linkcode askVersion}. */
export interface AskVersionOptions {
  /** Ends the program; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long it may take, in milliseconds. @default {15000} */
  readonly withinMs?: number | undefined;
}

/**
 * Runs `PATH --version`, with an empty environment, and reads its answer.
 *
 * @throws {KatError} if it is no program for this machine, or does not answer
 * as etcd does.
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
    return parseEtcdVersion(stdout);
  } catch (error) {
    if (inTime.signal.aborted || !(error instanceof KatError)) throw error;
    throw error.message.startsWith("Cannot run")
      ? error
      : refusal(path, error.message, error);
  } finally {
    kill(child);
    await child.status;
  }
}

/** Adds to a server those of its companions that stand beside it. */
export async function withCompanions(
  etcd: string,
  found: Pick<EtcdBinaries, "version" | "source">,
): Promise<EtcdBinaries> {
  const companions: { -readonly [Name in Program]?: string } = {};
  for (const name of PROGRAMS) {
    const path = join(dirname(etcd), name);
    if (name !== "etcd" && await isExecutableFile(path)) {
      companions[name] = path;
    }
  }
  return { ...companions, etcd, ...found };
}

/** Says whether there is a file that somebody may execute. */
export async function isExecutableFile(path: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && (mode === null || (mode & 0o111) !== 0);
  } catch {
    return false;
  }
}

/** Reads a stream to its end, and keeps its beginning. */
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
    hint: "Name an etcd for this machine with --etcd-binary",
    cause,
  });
}
