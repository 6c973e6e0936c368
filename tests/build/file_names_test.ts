import { deepStrictEqual } from "node:assert/strict";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { filesIn } from "../../scripts/files_in.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDERS = ["src", "bench", "scripts", "tests"];

/** Files with one name, unless all are in `src`: there, rooms tell them apart. */
function sharedNames(paths: readonly string[]): string[][] {
  const programs = paths.filter((path) =>
    /\.(ts|sh)$/.test(path) && !path.endsWith("_test.ts")
  );
  return [...Map.groupBy(programs, (path) => basename(path)).values()]
    .filter((same) =>
      same.length > 1 && same.some((path) => !path.startsWith("src/"))
    );
}

Deno.test("no file of tests, bench or scripts has the name of another file", async () => {
  const found = await Array.fromAsync(
    FOLDERS,
    (folder) => Array.fromAsync(filesIn(`${ROOT}${folder}`)),
  );
  const paths = found.flat().map((path) => path.slice(ROOT.length));

  deepStrictEqual(sharedNames(paths), []);
});

Deno.test("sharedNames() sees a name in two places, also between tests and src", () => {
  deepStrictEqual(
    sharedNames([
      "src/cli/store.ts",
      "src/agent/store.ts",
      "src/agent/node.ts",
      "tests/chaos/node.ts",
      "tests/chaos/random.ts",
      "tests/history/random.ts",
      "src/cli/cli_test.ts",
      "tests/cli/cli_test.ts",
    ]),
    [
      ["src/agent/node.ts", "tests/chaos/node.ts"],
      ["tests/chaos/random.ts", "tests/history/random.ts"],
    ],
  );
});
