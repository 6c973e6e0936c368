/**
 * The portable form of kat-agent: a POSIX shell script, and behind it a
 * gzipped tar of a Deno executable and the bundle.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { create } from "tar";
import { atomicPath } from "./atomic_path.ts";
import { VERSION } from "../src/base/version.ts";
import { V8_FLAGS } from "./bundle_agent.ts";
import type { Target } from "./targets.ts";

/** Programs are called what they are in lists of processes. */
const RUNTIME = "kat-agent";
/** Digits kept for the length of the script, which stands in the script. */
const OFFSET_DIGITS = 8;
/** The same for every build, so that the same files make the same archive. */
const PACKED_AT = new Date("2000-01-01T00:00:00Z");

/** Options of {@linkcode makePortable}. */
export interface PortableOptions {
  /** The folder that `bundleAgent` made; the runtime is added to it. */
  readonly bundle: string;
  /** A Deno executable for the target. */
  readonly runtime: string;
  /** What the file is for. */
  readonly target: Target;
}

/** Writes the file `output`, ready to be run. */
export async function makePortable(
  output: string,
  { bundle, runtime, target }: PortableOptions,
): Promise<void> {
  await Deno.copyFile(runtime, join(bundle, RUNTIME));
  await Deno.chmod(join(bundle, RUNTIME), 0o755);
  const names = (await Array.fromAsync(Deno.readDir(bundle)))
    .map(({ name }) => name)
    .sort();
  const sizes: string[] = [];
  const sums: string[] = [];
  for (const name of names) {
    const path = join(bundle, name);
    sizes.push(`${(await Deno.stat(path)).size} ${name}`);
    sums.push(`${await sha256(path)}  ${name}`);
  }
  const script = await startScript({
    VERSION,
    FLAGS: V8_FLAGS,
    UNAME: target.uname,
    KEY: createHash("sha256").update(sums.join("\n")).digest("hex")
      .slice(0, 16),
    FILES: names.join(" "),
    SIZES: sizes.join("\n"),
    SUMS: sums.join("\n"),
  });
  await using file = await atomicPath(output);
  await Deno.writeTextFile(file.path, script);
  const packed = create(
    { cwd: bundle, gzip: true, portable: true, mtime: PACKED_AT },
    names,
  );
  await Deno.writeFile(file.path, ReadableStream.from(packed), {
    append: true,
  });
  await file.finish(0o755);
}

async function startScript(
  values: Readonly<Record<string, string>>,
): Promise<string> {
  const url = new URL("./portable_start.sh", import.meta.url);
  const template = await Deno.readTextFile(url);
  const text = template.replace(
    /@([A-Z]+)@/g,
    (all, name: string) =>
      name === "OFFSET" ? all.padEnd(OFFSET_DIGITS) : values[name] ?? all,
  );
  // tail counts from 1.
  const offset = new TextEncoder().encode(text).length + 1;
  return text.replace("@OFFSET@", `${offset}`.padStart(OFFSET_DIGITS, "0"));
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
