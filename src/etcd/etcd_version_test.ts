import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { KatError } from "../base/errors.ts";
import {
  compareEtcdVersions,
  parseEtcdVersion,
  supportOf,
  versionText,
} from "./etcd_version.ts";

Deno.test("parseEtcdVersion() reads what etcd --version prints", () => {
  const output =
    "etcd Version: 3.6.14\nGit SHA: Not provided\nGo Version: go1.24.0\nGo OS/Arch: linux/amd64\n";

  deepStrictEqual(parseEtcdVersion(output), { major: 3, minor: 6, patch: 14 });
});

Deno.test("parseEtcdVersion() reads a bare version, with or without a v", () => {
  for (const text of ["3.6.14", "v3.6.14", "3.6.14\n"]) {
    strictEqual(versionText(parseEtcdVersion(text)), "3.6.14");
  }
});

Deno.test("parseEtcdVersion() leaves the mark of a pre-release out", () => {
  strictEqual(
    versionText(parseEtcdVersion("etcd Version: 3.7.0-rc.1\n")),
    "3.7.0",
  );
});

Deno.test("parseEtcdVersion() throws a KatError when there is no version", () => {
  for (
    const text of ["", "3.6", "3.6.", "3.6.14.1", "Go Version: go1.24.0", "x"]
  ) {
    throws(() => parseEtcdVersion(text), KatError, text);
  }
});

Deno.test("compareEtcdVersions() orders by number, not by text", () => {
  const sorted = ["3.6.14", "3.4.23", "3.6.9", "3.5.30", "4.0.0"]
    .map(parseEtcdVersion).sort(compareEtcdVersions).map(versionText);

  deepStrictEqual(sorted, ["3.4.23", "3.5.30", "3.6.9", "3.6.14", "4.0.0"]);
  ok(
    compareEtcdVersions(
      parseEtcdVersion("3.6.14"),
      parseEtcdVersion("v3.6.14"),
    ) === 0,
  );
});

Deno.test("supportOf() knows 3.5 to 3.7, tolerates 3.4 and nothing else", () => {
  const supports = Object.fromEntries(
    ["2.3.8", "3.3.27", "3.4.23", "3.5.0", "3.6.14", "3.7.1", "3.8.0", "4.5.0"]
      .map((text) => [text, supportOf(parseEtcdVersion(text))]),
  );

  deepStrictEqual(supports, {
    "2.3.8": "unsupported",
    "3.3.27": "unsupported",
    "3.4.23": "outdated",
    "3.5.0": "supported",
    "3.6.14": "supported",
    "3.7.1": "supported",
    "3.8.0": "unsupported",
    "4.5.0": "unsupported",
  });
});
