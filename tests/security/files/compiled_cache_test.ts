import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { compileFlags } from "../../../scripts/compiled_form.ts";
import {
  type BuiltFile,
  builtFile,
  ownDir,
  runBare,
} from "../../machine/built_file.ts";

let built: BuiltFile;

Deno.test.beforeAll(async () => {
  built = await builtFile();
});
Deno.test.afterAll(async () => {
  await built[Symbol.asyncDispose]();
});

Deno.test("the compiled form is made to keep no compiled code in the directory for temporary files", () => {
  ok(compileFlags({ triple: "x" }).includes("--no-code-cache"));
});

Deno.test("the file neither reads nor leaves anything in the directory for temporary files", async () => {
  const temporary = `${built.dir}/all`;
  await Deno.mkdir(temporary);
  await Deno.chmod(temporary, 0o1777);
  const cache = await ownDir(built.dir, "cache");
  const env = {
    PATH: "/usr/bin:/bin",
    TMPDIR: temporary,
    KAT_CACHE_DIR: cache,
  };
  // A pipe would hold whoever reads it.
  await new Deno.Command("mkfifo", {
    args: [`${temporary}/deno-compile-kat-agent.cache`],
  }).output();

  for (let round = 1; round <= 2; round += 1) {
    const { code, stderr } = await runBare(
      "timeout",
      ["20", built.path, "version"],
      { env, cwd: built.dir },
    );
    strictEqual(code, 0, stderr);
  }

  const names = (await Array.fromAsync(Deno.readDir(temporary)))
    .map(({ name }) => name);
  deepStrictEqual(names, ["deno-compile-kat-agent.cache"]);
});
