import { deepStrictEqual } from "node:assert/strict";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { filesIn } from "../../scripts/files_in.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDERS = ["src", "bench", "scripts", "tests"];

/** Files with one name; tests have the name of what they test. */
function sharedNames(paths: readonly string[]): string[][] {
  const programs = paths.filter((path) =>
    /\.(ts|sh)$/.test(path) && !path.endsWith("_test.ts")
  );
  return [...Map.groupBy(programs, (path) => basename(path)).values()]
    .filter((same) => same.length > 1);
}

Deno.test("no two files have the same name", async () => {
  const found = await Array.fromAsync(
    FOLDERS,
    (folder) => Array.fromAsync(filesIn(`${ROOT}${folder}`)),
  );
  const paths = found.flat().map((path) => path.slice(ROOT.length));

  deepStrictEqual(sharedNames(paths), []);
});

Deno.test("sharedNames() sees a name in two places, tests left out", () => {
  deepStrictEqual(
    sharedNames([
      "src/agent/node.ts",
      "tests/chaos/node.ts",
      "tests/chaos/random.ts",
      "tests/history/random.ts",
      "tests/history/history.ts",
      "src/cli/cli_test.ts",
      "tests/cli/cli_test.ts",
    ]),
    [
      ["src/agent/node.ts", "tests/chaos/node.ts"],
      ["tests/chaos/random.ts", "tests/history/random.ts"],
    ],
  );
});
