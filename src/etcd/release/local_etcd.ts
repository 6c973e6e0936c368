/**
 * The etcds that are on this machine without kat-agent's doing: the one that a
 * node ran before, and those on PATH. Which of them may run on the node's data,
 * or begin a new cluster, is decided here.
 *
 * @module
 */

import { isAbsolute, join } from "node:path";
import { KatError } from "../../base/errors.ts";
import { checkedPath } from "../../base/files/checked_path.ts";
import { openOwn } from "../../base/files/open_own.ts";
import { checksumOf, piecesOf } from "./file_pieces.ts";
import {
  compareEtcdVersions,
  type EtcdVersion,
  supportOf,
  versionText,
} from "../etcd_version.ts";
import { type DataWriter, forbiddenJump } from "../version_jump.ts";
import {
  askVersion,
  type EtcdBinaries,
  isExecutableFile,
  withOtherPrograms,
} from "./etcd_binaries.ts";

/** The etcd that wrote a node's data, as the node remembers it. */
export interface FormerEtcd extends DataWriter {
  /** Where it was. */
  readonly binary?: string | undefined;
  /** Its SHA-256, if it came from an archive. */
  readonly sha256?: string | undefined;
}

/** Options of {@linkcode localEtcd}. */
export interface LocalEtcdOptions {
  /** The value of PATH. */
  readonly path?: string | undefined;
  /** What wrote the data; `undefined` if there is none yet. */
  readonly former?: FormerEtcd | undefined;
  /** The version that must be able to take over what is written now; none if it cannot in any case. */
  readonly next?: EtcdVersion | undefined;
  /** Ends the search; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@linkcode localEtcd} found. */
export interface LocalEtcd {
  /** The etcd to use. */
  readonly binaries?: EtcdBinaries;
  /** Those that cannot be used, each with the reason. */
  readonly rejected: readonly string[];
}

/** Looks for an etcd that fits the data: where the node ran it before, then on PATH. */
export async function localEtcd(options: LocalEtcdOptions): Promise<LocalEtcd> {
  const { path = "", former, signal } = options;
  const rejected: string[] = [];
  const tryEtcd = async (etcd: string, isFormer: boolean) => {
    try {
      // What runs without being named, no other user may have put there. What
      // a user has on PATH, that user also runs by hand.
      if (isFormer || Deno.uid() === 0) await checkedPath(etcd);
      if (isFormer) await refuseChanged(etcd, options);
      const version = await askVersion(etcd, { signal });
      const why = whyUnfit(version, options);
      if (why !== undefined) {
        throw new KatError(`Cannot use ${JSON.stringify(etcd)}: ${why}`);
      }
      return await withOtherPrograms(etcd, { version, source: "path" });
    } catch (error) {
      if (!(error instanceof KatError)) throw error;
      rejected.push(error.message);
      return undefined;
    }
  };
  if (former?.binary !== undefined && isAbsolute(former.binary)) {
    const binaries = await tryEtcd(former.binary, true);
    if (binaries) return { binaries, rejected };
  }
  // A relative entry would depend on the directory the agent was started in.
  for (const directory of new Set(path.split(":").filter(isAbsolute))) {
    const etcd = join(directory, "etcd");
    if (etcd === former?.binary || !await isExecutableFile(etcd)) continue;
    const binaries = await tryEtcd(etcd, false);
    if (binaries) return { binaries, rejected };
  }
  return { rejected };
}

/** The reason against an etcd on unsupported or unfit data; `undefined` if it may run. */
function whyUnfit(
  version: EtcdVersion,
  { former, next }: LocalEtcdOptions,
): string | undefined {
  if (supportOf(version) === "unsupported") {
    return `it is etcd ${versionText(version)}, and ${SUPPORTED_TEXT}`;
  }
  const jump = former && forbiddenJump(former, version);
  if (jump) return jump.why;
  const isSame = former &&
    compareEtcdVersions(former.member, version) === 0;
  const later = isSame || next === undefined
    ? undefined
    : forbiddenJump({ member: version }, next);
  return later &&
    `it is etcd ${versionText(version)}, and etcd ${
      versionText(next ?? version)
    } could not take over what it writes (${later.why})`;
}

/** What every refusal of a version says. */
export const SUPPORTED_TEXT = "only 3.5 to 3.7 are supported";

/** A program that came from a checked archive must still be the same. */
async function refuseChanged(
  etcd: string,
  { former, signal }: LocalEtcdOptions,
): Promise<void> {
  if (former?.sha256 === undefined) return;
  try {
    using file = await openOwn(etcd);
    const { sha256 } = await checksumOf(piecesOf(file), { signal });
    if (sha256 === former.sha256) return;
  } catch (error) {
    if (error instanceof KatError) throw error;
    if (error instanceof Deno.errors.NotFound) {
      throw new KatError(
        `Cannot use ${JSON.stringify(etcd)}: there is no such file`,
      );
    }
    throw error;
  }
  throw new KatError(
    `Cannot use ${JSON.stringify(etcd)}: it was changed since it last ran`,
  );
}
