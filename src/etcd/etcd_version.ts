/**
 * Which etcd a binary is, and whether kat-agent works with it.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";

/** A version of etcd. */
export interface EtcdVersion {
  /** 3 for every etcd that matters here. */
  readonly major: number;
  /** What flags and features depend on. */
  readonly minor: number;
  /** Fixes only. */
  readonly patch: number;
}

/**
 * How far a version can be relied on: `supported`; `outdated` works, but its
 * makers no longer fix it; `unsupported` was never tried with kat-agent.
 */
export type EtcdSupport = "supported" | "outdated" | "unsupported";

/** The minor versions of etcd 3 that kat-agent is tested with. */
export const SUPPORTED_MINORS: readonly number[] = [5, 6, 7];
/** Works, but its makers ended it in May 2026; Debian 12 still ships it. */
export const OUTDATED_MINOR = 4;

const VERSION_REGEXP =
  /(?:^\s*v?|\betcd Version: )(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+][0-9A-Za-z.+-]+)?(?=\s|$)/;

/**
 * Reads `3.6.14`, `v3.6.14`, or the output of `etcd --version`. The mark of a
 * pre-release (`3.7.0-rc.1`) is left out.
 *
 * @throws {KatError} if there is no version in it.
 */
export function parseEtcdVersion(text: string): EtcdVersion {
  const [, major, minor, patch] = VERSION_REGEXP.exec(text) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) {
    throw new KatError(
      `Cannot find a version of etcd in ${JSON.stringify(excerpt(text))}`,
      { hint: "Versions look like 3.6.14" },
    );
  }
  return { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

/** Below zero if `a` is older than `b`, zero if they are the same, else above zero. */
export function compareEtcdVersions(a: EtcdVersion, b: EtcdVersion): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch;
}

/** Returns the version as `3.6.14`. */
export function versionText(version: EtcdVersion): string {
  return `${version.major}.${version.minor}.${version.patch}`;
}

/** Says whether kat-agent works with this version. */
export function supportOf({ major, minor }: EtcdVersion): EtcdSupport {
  if (major !== 3) return "unsupported";
  if (SUPPORTED_MINORS.includes(minor)) return "supported";
  return minor === OUTDATED_MINOR ? "outdated" : "unsupported";
}

/** Enough of a text to recognise it by. */
function excerpt(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
