/**
 * The compiled form of kat-agent: `deno compile` of the bundle.
 *
 * @module
 */

import { join } from "node:path";
import { messageOf } from "../src/base/errors.ts";
import { atomicPath } from "./atomic_path.ts";
import { V8_FLAGS } from "./bundle_agent.ts";
import { runProgram } from "./run_program.ts";
import { type Target, thisTarget } from "./targets.ts";

/** How long the place that has runtimes may take to answer, in milliseconds. */
const ANSWER_MS = 5_000;
/** How long compiling may take if it should need nothing from the network. */
const OFFLINE_MS = 60_000;

/** Options of {@linkcode makeCompiled}. */
export interface CompiledOptions {
  /** The folder that `bundleAgent` made. */
  readonly bundle: string;
  /** What the file is for. */
  readonly target: Target;
}

/**
 * Writes the file `output` and returns `undefined`; or returns why not, if the
 * runtime for the target is neither in `DENORT_BIN`, nor in Deno's cache, nor
 * to be fetched.
 *
 * @throws {KatError} if compiling fails with a runtime.
 */
export async function makeCompiled(
  output: string,
  { bundle, target }: CompiledOptions,
): Promise<string | undefined> {
  // The runtime that was given is for the platform at hand.
  const given = target === thisTarget()
    ? Deno.env.get("DENORT_BIN")
    : undefined;
  const names = (await Array.fromAsync(Deno.readDir(bundle)))
    .map(({ name }) => name);
  const noAnswer = given ? undefined : await askForRuntime(target);
  await using file = await atomicPath(output);
  try {
    await runProgram(Deno.execPath(), [
      ...compileFlags(target),
      `--config=${join(bundle, "deno.json")}`,
      `--output=${file.path}`,
      ...names.filter((name) => name !== "main.js" && name.endsWith(".js"))
        .map((name) => `--include=${join(bundle, name)}`),
      join(bundle, "main.js"),
    ], {
      cwd: bundle,
      env: { DENORT_BIN: given },
      ...(noAnswer ? { signal: AbortSignal.timeout(OFFLINE_MS) } : {}),
    });
  } catch (error) {
    if (noAnswer === undefined) throw error;
    return `its runtime is not in DENORT_BIN or Deno's cache, and cannot be fetched: ${noAnswer}`;
  }
  await file.finish(0o755);
  return undefined;
}

/** What `deno compile` is told, whatever is compiled. */
export function compileFlags({ triple }: Pick<Target, "triple">): string[] {
  return [
    "compile",
    "--quiet",
    "--no-check",
    "--no-lock",
    "--no-npm",
    "--no-remote",
    "--no-prompt",
    // Else the file runs what it finds compiled in /tmp/deno-compile-kat-agent.cache,
    // whoever has put it there.
    "--no-code-cache",
    "--app-name=kat-agent",
    "-P=agent",
    `--target=${triple}`,
    `--v8-flags=${V8_FLAGS}`,
  ];
}

/** Returns why a runtime cannot be fetched, or `undefined` if it seems to be there. */
async function askForRuntime(
  { triple }: Target,
): Promise<string | undefined> {
  const url =
    `https://dl.deno.land/release/v${Deno.version.deno}/denort-${triple}.zip`;
  try {
    const { ok, status } = await fetch(url, {
      method: "HEAD",
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return ok ? undefined : `${url} answers ${status}`;
  } catch (error) {
    const reason = messageOf((error as Error).cause ?? error);
    return `${url}: ${reason.split(": ").at(-1)}`;
  }
}
