/**
 * An archive laid out like a release of etcd, with shell scripts for programs.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  archiveDirectory,
  archiveName,
  type EtcdPlatform,
  type EtcdRelease,
} from "../../src/etcd/release/etcd_release.ts";
import { parseEtcdVersion } from "../../src/etcd/etcd_version.ts";
import { makeTarGz, makeZip } from "./archive.ts";

/** Options of {@linkcode etcdArchive}. */
export interface EtcdArchiveOptions {
  /** What its `etcd --version` prints. @default {"3.6.14"} */
  readonly prints?: string;
  /** The machine it says it is for. @default {"linux-amd64"} */
  readonly platform?: EtcdPlatform;
  /** What stands in place of the server. */
  readonly etcd?: string | Uint8Array;
  /** Bytes that make the server longer, and cannot be compressed. @default {100000} */
  readonly padding?: number;
}

/** An archive and the release that it is. */
export interface EtcdArchive {
  /** With the checksum of these very bytes. */
  readonly release: EtcdRelease;
  /** The archive. */
  readonly bytes: Uint8Array;
  /** Where a mirror has it, as `/v3.6.14/etcd-v3.6.14-linux-amd64.tar.gz`. */
  readonly path: string;
}

/** Returns a script that prints what `etcd --version` does. */
export function fakeEtcd(version: string): string {
  return `#!/bin/sh
echo "etcd Version: ${version}"
echo "Git SHA: 0000000"
exit 0
`;
}

/** Makes an archive of etcd 3.6.14. */
export function etcdArchive(options: EtcdArchiveOptions = {}): EtcdArchive {
  const { prints = "3.6.14", platform = "linux-amd64" } = options;
  const version = parseEtcdVersion("3.6.14");
  const directory = archiveDirectory({ version, platform });
  const script = options.etcd ?? fakeEtcd(prints) + noise(options.padding);
  const entries = [
    { name: `${directory}/`, type: "directory" },
    { name: `${directory}/README.md`, content: "# etcd\n" },
    { name: `${directory}/etcd`, content: script },
    { name: `${directory}/etcdctl`, content: fakeEtcd(prints) },
    { name: `${directory}/etcdutl`, content: fakeEtcd(prints) },
  ] as const;
  const bytes = platform.startsWith("darwin-")
    ? makeZip(entries)
    : makeTarGz(entries);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const name = archiveName({ version, platform });
  return {
    release: { version, platform, sha256 },
    bytes,
    path: `/v3.6.14/${name}`,
  };
}

/** Never run: it comes after the script's end. */
function noise(length = 100_000): string {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return Array.from(bytes, (byte) => String.fromCharCode(33 + byte % 94))
    .join("");
}
