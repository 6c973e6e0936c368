import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { KatError } from "../../base/errors.ts";
import {
  archiveName,
  archiveUrls,
  etcdRelease,
  platformOf,
} from "./etcd_release.ts";
import { versionText } from "../etcd_version.ts";

const OTHER_SHA256 = "0123456789abcdef".repeat(4);

Deno.test("platformOf() translates the four machines that etcd is published for", () => {
  strictEqual(platformOf("linux", "x86_64"), "linux-amd64");
  strictEqual(platformOf("linux", "aarch64"), "linux-arm64");
  strictEqual(platformOf("darwin", "x86_64"), "darwin-amd64");
  strictEqual(platformOf("darwin", "aarch64"), "darwin-arm64");
});

Deno.test("platformOf() throws a KatError with a hint on any other machine", () => {
  for (const [os, arch] of [["windows", "x86_64"], ["freebsd", "x86_64"]]) {
    throws(
      () => platformOf(os ?? "", arch ?? ""),
      (error) => error instanceof KatError && error.hint !== undefined,
    );
  }
});

Deno.test("etcdRelease() is the pinned release with its checksum when nothing is set", () => {
  const release = etcdRelease({ platform: "linux-amd64" });

  strictEqual(versionText(release.version), "3.6.14");
  strictEqual(
    release.sha256,
    "ffe840ff9295808e88cce2794a18a5ac87f12a5203c8314d0bf6aa119b41bac5",
  );
});

Deno.test("etcdRelease() wants a checksum for any other version", () => {
  throws(
    () => etcdRelease({ version: "3.5.30", platform: "linux-amd64" }),
    (error) =>
      error instanceof KatError &&
      /SHA-256 is not known/.test(error.message) &&
      /spec\.etcd\.sha256/.test(error.hint ?? ""),
  );
  strictEqual(
    etcdRelease({
      version: "3.5.30",
      sha256: OTHER_SHA256.toUpperCase(),
      platform: "linux-amd64",
    }).sha256,
    OTHER_SHA256,
  );
});

Deno.test("etcdRelease() refuses unsupported versions and what is no checksum", () => {
  throws(
    () => etcdRelease({ version: "3.8.0", sha256: OTHER_SHA256 }),
    KatError,
  );
  throws(() => etcdRelease({ sha256: "abc" }), KatError);
});

Deno.test("archiveUrls() are the makers' two places when there is no mirror", () => {
  deepStrictEqual(
    archiveUrls(etcdRelease({ platform: "darwin-arm64" })).map(String),
    [
      "https://github.com/etcd-io/etcd/releases/download/v3.6.14/etcd-v3.6.14-darwin-arm64.zip",
      "https://storage.googleapis.com/etcd/v3.6.14/etcd-v3.6.14-darwin-arm64.zip",
    ],
  );
});

Deno.test("archiveUrls() is the mirror alone when there is one", () => {
  const release = etcdRelease({ platform: "linux-arm64" });
  for (const slash of ["", "/", "//"]) {
    deepStrictEqual(
      archiveUrls(release, `http://mirror.test:8080/etcd${slash}`).map(String),
      [`http://mirror.test:8080/etcd/v3.6.14/${archiveName(release)}`],
    );
  }
});

Deno.test("archiveUrls() refuses a mirror that is no http URL, without repeating it", () => {
  const release = etcdRelease({ platform: "linux-amd64" });
  for (const mirror of ["", "mirror", "ftp://user:secret@mirror.test/"]) {
    throws(
      () => archiveUrls(release, mirror),
      (error) =>
        error instanceof KatError && !`${error.message}`.includes("secret"),
    );
  }
});
