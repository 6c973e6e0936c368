/**
 * Gets an etcd, runs every test and says the counts on its last line:
 * `N passed, N failed, N skipped`. Arguments go to `deno test`.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

async function run(args: readonly string[]): Promise<number> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    stdin: "null",
  }).spawn().status;
  return code;
}

/** The counts of a JUnit report, a test with steps counting once. */
function counts(report: string): { tests: number; bad: number; skip: number } {
  const attribute = (name: string) =>
    [...report.matchAll(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`, "g"))]
      .reduce((sum, [, count]) => sum + Number(count), 0);
  return {
    tests: attribute("tests"),
    bad: attribute("failures") + attribute("errors"),
    skip: attribute("disabled"),
  };
}

const etcd = await run(["run", "--frozen", "-A", "scripts/get_etcd.ts"]);
if (etcd !== 0) Deno.exit(etcd);
const report = await Deno.makeTempFile({ suffix: ".xml" });
try {
  const code = await run([
    "test",
    "-A",
    "--frozen",
    `--junit-path=${report}`,
    ...Deno.args,
  ]);
  const { tests, bad, skip } = counts(await Deno.readTextFile(report));
  const failed = code !== 0 && bad === 0 ? 1 : bad;
  const passed = tests - bad - skip;
  // deno-lint-ignore no-console -- the result of this program
  console.log(`${passed} passed, ${failed} failed, ${skip} skipped`);
  if (failed > 0) Deno.exitCode = 1;
} finally {
  await Deno.remove(report);
}
