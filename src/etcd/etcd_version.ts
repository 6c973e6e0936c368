/**
 * The version of an etcd, and whether kat-agent works with it.
 *
 * @module
 */

import { KatError } from "../base/errors.ts";

/** A version of etcd. */
export interface EtcdVersion {
  /** 3 for every supported etcd. */
  readonly major: number;
  /** Flags and features depend on it. */
  readonly minor: number;
  /** Brings fixes only. */
  readonly patch: number;
}

/**
 * Whether kat-agent works with a version: `supported`; `outdated` works, but gets
 * no more fixes from the etcd project; `unsupported` was never tested.
 */
export type EtcdSupport = "supported" | "outdated" | "unsupported";

/** The minor versions of etcd 3 that kat-agent is tested with. */
export const SUPPORTED_MINORS: readonly number[] = [5, 6, 7];
/** Works, but the etcd project ended it in May 2026; Debian 12 still ships it. */
export const OUTDATED_MINOR = 4;

const VERSION_REGEXP =
  /(?:^\s*v?|\betcd Version: )(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+][0-9A-Za-z.+-]+)?(?=\s|$)/;

/**
 * Reads the version in `3.6.14`, in `v3.6.14`, or in the output of
 * `etcd --version`. Of a pre-release (`3.7.0-rc.1`) it drops the suffix.
 *
 * @throws {KatError} if the text holds no version.
 */
export function parseEtcdVersion(text: string): EtcdVersion {
  const [, major, minor, patch] = VERSION_REGEXP.exec(text) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) {
    throw new KatError(
      `Cannot find a version of etcd in ${JSON.stringify(excerpt(text))}`,
      { hint: "A version has the form 3.6.14" },
    );
  }
  return { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

/** Returns a number below zero if `a` is older than `b`, zero if they are the same, else one above zero. */
export function compareEtcdVersions(a: EtcdVersion, b: EtcdVersion): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch;
}

/** Returns the version as `3.6.14`. */
export function versionText(version: EtcdVersion): string {
  return `${version.major}.${version.minor}.${version.patch}`;
}

/** Returns whether kat-agent works with this version. */
export function supportOf({ major, minor }: EtcdVersion): EtcdSupport {
  if (major !== 3) return "unsupported";
  if (SUPPORTED_MINORS.includes(minor)) return "supported";
  return minor === OUTDATED_MINOR ? "outdated" : "unsupported";
}

/** The beginning of a text, enough to recognise it. */
function excerpt(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
