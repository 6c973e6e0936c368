/**
 * The releases of etcd as the project publishes them: names, URLs, checksums.
 *
 * @module
 */

import { PINNED_ETCD_VERSION } from "../../config/pinned_etcd.ts";
import { KatError } from "../../base/errors.ts";
import {
  type EtcdVersion,
  parseEtcdVersion,
  supportOf,
  versionText,
} from "../etcd_version.ts";

/** A system and a processor that etcd is published for, as etcd names them. */
export type EtcdPlatform =
  | "linux-amd64"
  | "linux-arm64"
  | "darwin-amd64"
  | "darwin-arm64";

/** One archive of one release. */
export interface EtcdRelease {
  /** The version that its `etcd --version` must print. */
  readonly version: EtcdVersion;
  /** The machine it runs on. */
  readonly platform: EtcdPlatform;
  /** The archive's SHA-256, in lowercase hex. */
  readonly sha256: string;
}

/** The parts of an archive's name. */
export type ReleaseName = Pick<EtcdRelease, "version" | "platform">;

/** The archives of {@linkcode PINNED_ETCD_VERSION}, as SHA-256 in hex. */
const PINNED_SHA256: Readonly<Record<EtcdPlatform, string>> = {
  "linux-amd64":
    "ffe840ff9295808e88cce2794a18a5ac87f12a5203c8314d0bf6aa119b41bac5",
  "linux-arm64":
    "fa1b80565ee6fc2df1ae6f57a508b221f3ecc7d591c317c581cd8281b0842b3e",
  "darwin-amd64":
    "17b8639cf303fee6c35958278d557263215a9a8f8c15fd89022b5aa67091b228",
  "darwin-arm64":
    "fd154573a1f4c098c214d8233507d2766c43a164f7e339c0385aae71d9a1afaf",
};

/** The servers of the releases, tried in this order. */
const OFFICIAL_BASES: readonly string[] = [
  "https://github.com/etcd-io/etcd/releases/download",
  "https://storage.googleapis.com/etcd",
];

const PLATFORMS: Readonly<Record<string, EtcdPlatform>> = {
  "linux/x86_64": "linux-amd64",
  "linux/aarch64": "linux-arm64",
  "darwin/x86_64": "darwin-amd64",
  "darwin/aarch64": "darwin-arm64",
};

/** Options of {@linkcode etcdRelease}. */
export interface EtcdReleaseOptions {
  /** The version, as `3.6.14`. @default {PINNED_ETCD_VERSION} */
  readonly version?: string | undefined;
  /** The archive's SHA-256 in hex; required where the version is not the pinned one. */
  readonly sha256?: string | undefined;
  /** The machine. @default {this one} */
  readonly platform?: EtcdPlatform | undefined;
}

/**
 * Returns the etcd platform of a machine, whose names are those of `Deno.build`.
 *
 * @throws {KatError} if etcd is not published for it.
 */
export function platformOf(os: string, arch: string): EtcdPlatform {
  const platform = PLATFORMS[`${os}/${arch}`];
  if (platform === undefined) {
    throw new KatError(
      `Cannot get etcd for this machine: no known release for ${os} on ${arch}`,
      {
        hint: os === "windows"
          ? "Run kat-agent on Linux, for example in WSL"
          : "Give an etcd for this machine with --etcd-binary",
      },
    );
  }
  return platform;
}

/**
 * Returns the release that `cluster.kat` asks for.
 *
 * @throws {KatError} if the version is not supported, or its checksum is not known.
 */
export function etcdRelease(options: EtcdReleaseOptions = {}): EtcdRelease {
  const version = parseEtcdVersion(options.version ?? PINNED_ETCD_VERSION);
  if (supportOf(version) === "unsupported") {
    throw new KatError(
      `Cannot use etcd ${versionText(version)}: only 3.5 to 3.7 are supported`,
      { hint: `Set spec.etcd.version to ${PINNED_ETCD_VERSION}` },
    );
  }
  const platform = options.platform ??
    platformOf(Deno.build.os, Deno.build.arch);
  const sha256 = options.sha256?.toLowerCase() ??
    (versionText(version) === PINNED_ETCD_VERSION
      ? PINNED_SHA256[platform]
      : undefined);
  if (sha256 === undefined) {
    throw new KatError(
      `Cannot check etcd ${versionText(version)}: its SHA-256 is not known`,
      {
        hint: `Set spec.etcd.sha256 to that of ${
          archiveName({ version, platform })
        } in ${OFFICIAL_BASES[0]}/v${
          versionText(version)
        }/SHA256SUMS, or leave spec.etcd.version out`,
      },
    );
  }
  if (!/^[0-9a-f]{64}$/.test(sha256)) {
    throw new KatError(
      `Cannot check etcd ${versionText(version)}: ${
        JSON.stringify(sha256)
      } is not a SHA-256`,
      { hint: "Set spec.etcd.sha256 to 64 hexadecimal digits" },
    );
  }
  return { version, platform, sha256 };
}

/** Returns the name of the directory in the archive, as `etcd-v3.6.14-linux-amd64`. */
export function archiveDirectory({ version, platform }: ReleaseName): string {
  return `etcd-v${versionText(version)}-${platform}`;
}

/** Returns the archive's file name: `.tar.gz` for Linux, `.zip` for macOS. */
export function archiveName(release: ReleaseName): string {
  const extension = release.platform.startsWith("darwin-") ? "zip" : "tar.gz";
  return `${archiveDirectory(release)}.${extension}`;
}

/**
 * Returns the URLs of the archive, in the order to try them: that of the mirror
 * if there is one, else those of the official servers.
 *
 * @throws {KatError} if the mirror is not an http or https URL.
 */
export function archiveUrls(release: EtcdRelease, mirror?: string): URL[] {
  const bases = mirror === undefined ? OFFICIAL_BASES : [mirror];
  return bases.map((base) => {
    const url = URL.parse(base);
    if (url === null || !["http:", "https:"].includes(url.protocol)) {
      // The message leaves the text out, as it may hold a password.
      throw new KatError(
        "Cannot use the mirror in spec.etcd.mirror: it is not an http or https URL",
        { hint: "Give a URL like https://mirror.example.com/etcd" },
      );
    }
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/v${
      versionText(release.version)
    }/${archiveName(release)}`;
    return url;
  });
}
