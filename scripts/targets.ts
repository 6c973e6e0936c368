/**
 * The platforms that kat-agent is released for.
 *
 * @module
 */

/** One platform, by the names that others have for it. */
export interface Target {
  /** As in the names of archives. */
  readonly name: string;
  /** As `deno compile --target` and `Deno.build.target` call it. */
  readonly triple: string;
  /** As `uname -sm` calls it. */
  readonly uname: string;
  /** The npm package that carries Deno for it. */
  readonly denoPackage: string;
}

/** Every platform of a release. */
export const TARGETS: readonly Target[] = [
  {
    name: "linux-x64",
    triple: "x86_64-unknown-linux-gnu",
    uname: "Linux x86_64",
    denoPackage: "@deno/linux-x64-glibc",
  },
  {
    name: "linux-arm64",
    triple: "aarch64-unknown-linux-gnu",
    uname: "Linux aarch64",
    denoPackage: "@deno/linux-arm64-glibc",
  },
  {
    name: "macos-x64",
    triple: "x86_64-apple-darwin",
    uname: "Darwin x86_64",
    denoPackage: "@deno/darwin-x64",
  },
  {
    name: "macos-arm64",
    triple: "aarch64-apple-darwin",
    uname: "Darwin arm64",
    denoPackage: "@deno/darwin-arm64",
  },
];

/** The platform at hand; `undefined` if nothing is released for it. */
export function thisTarget(): Target | undefined {
  return TARGETS.find(({ triple }) => triple === Deno.build.target);
}
