/**
 * Runs `deno test` and counts what came of it.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What became of tests; each of their steps counts as well. */
export interface TestCounts {
  /** How many files held them. */
  readonly files: number;
  /** How many passed. */
  readonly passed: number;
  /** How many failed; at least 1 if `deno test` itself did. */
  readonly failed: number;
  /** How many were left out. */
  readonly skipped: number;
}

/** Options of {@linkcode denoTest}. */
export interface DenoTestOptions {
  /** A directory for the report. */
  readonly scratch: string;
  /** Variables besides those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `deno` in the repository and returns its exit code. */
export async function runDeno(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env,
    stdin: "null",
  }).spawn().status;
  return code;
}

/** Runs tests with all permissions. */
export async function denoTest(
  args: readonly string[],
  { scratch, env = {} }: DenoTestOptions,
): Promise<TestCounts> {
  const path = join(scratch, "report.xml");
  const code = await runDeno(
    ["test", "-A", "--frozen", `--junit-path=${path}`, ...args],
    env,
  );
  const report = await Deno.readTextFile(path);
  const sum = (name: string) =>
    [...report.matchAll(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`, "g"))]
      .reduce((total, [, count]) => total + Number(count), 0);
  const bad = sum("failures") + sum("errors");
  const failed = code !== 0 && bad === 0 ? 1 : bad;
  const skipped = sum("disabled");
  return {
    files: report.match(/<testsuite /g)?.length ?? 0,
    passed: sum("tests") - failed - skipped,
    failed,
    skipped,
  };
}
