/**
 * Runs the tests that take a minute at most: those beside the code, and those
 * of other folders that start neither an agent nor an etcd. The last line says
 * the counts and how much it leaves out. `deno task quick`.
 *
 * @module
 */

import { denoTest, ROOT, runDeno } from "./deno_test.ts";
import { filesIn } from "./files_in.ts";

/** Files and folders of `deno test`. */
const QUICK = [
  "src",
  "bench",
  "tests/build/file_names_test.ts",
  "tests/build/layers_test.ts",
  "tests/history/check_observations_test.ts",
  "tests/history/planted_violations_test.ts",
  "tests/history/simulated_history_test.ts",
  "tests/history/wgl_test.ts",
];

// A few tests beside the code connect to a real etcd.
const code = await runDeno(["run", "--frozen", "-A", "scripts/get_etcd.ts"]);
if (code !== 0) Deno.exit(code);
const scratch = await Deno.makeTempDir({ prefix: "kat-tests-" });
try {
  // `deno task check` has looked at the types.
  const { files, passed, failed, skipped } = await denoTest(
    ["--no-check", "--parallel", ...QUICK],
    { scratch },
  );
  const all = await Array.fromAsync(
    ["src", "bench", "scripts", "tests"],
    (folder) => Array.fromAsync(filesIn(ROOT + folder)),
  );
  const others = all.flat().filter((path) => path.endsWith("_test.ts")).length -
    files;
  // deno-lint-ignore no-console -- the result of this program
  console.log(
    `${passed} passed, ${failed} failed, ${skipped} skipped; left out: the built file, faults, and ${others} test files that start processes (deno task ok runs them)`,
  );
  if (failed > 0) Deno.exitCode = 1;
} finally {
  await Deno.remove(scratch, { recursive: true });
}
