import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { bundleAgent, WORKERS } from "../../../scripts/bundle_agent.ts";
import { tempDir } from "../../machine/temp_dir.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BYTES = 3_000_000;

/** The files below `path` that are as large as what was written, and where pages keep theirs. */
async function filled(path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    const at = `${path}/${name}`;
    if (name === "location_data") found.push(at);
    if (isDirectory) found.push(...await filled(at));
    else if ((await Deno.stat(at)).size === BYTES) found.push(at);
  }
  return found;
}

Deno.test("a thread without the right to write writes nothing to disk by the Cache API", async () => {
  await using dir = await tempDir();
  const { denoDir } = JSON.parse(
    new TextDecoder().decode(
      (await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] })
        .output()).stdout,
    ),
  );
  // Packages are read where they are, and all that is written goes to `dir`.
  await Deno.symlink(`${denoDir}/npm`, `${dir.path}/npm`);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--frozen", "--no-prompt", "-P=agent"],
      `--config=${ROOT}deno.json`,
      `${ROOT}tests/programs/start_fill_cache.ts`,
      `${BYTES}`,
    ],
    env: { DENO_DIR: dir.path },
  }).output();
  const text = new TextDecoder();
  strictEqual(code, 0, text.decode(stderr));

  await Deno.remove(`${dir.path}/npm`);
  deepStrictEqual(await filled(dir.path), [], text.decode(stdout));
});

/** The sources in a file of a bundle and those it imports, in the order in which they run. */
async function inOrder(
  path: string,
  seen = new Set<string>(),
): Promise<string[]> {
  if (seen.has(path)) return [];
  seen.add(path);
  const text = await Deno.readTextFile(path);
  const sources: string[] = [];
  for (
    const [, chunk, source] of text.matchAll(
      /^(?:import .*?|\} from )?"\.\/([\w.-]+)";$|^\/\/ ((?:src|npm)\/.*|\w+\.ts)$/gm,
    )
  ) {
    if (source !== undefined) sources.push(source);
    else {
      sources.push(
        ...await inOrder(path.replace(/[^/]*$/, chunk ?? ""), seen),
      );
    }
  }
  return sources;
}

Deno.test("in a bundle, what pages keep on the disk is closed before any package runs", async () => {
  await using dir = await tempDir();
  await bundleAgent(dir.path, { form: "portable" });
  for (const name of ["main", ...WORKERS]) {
    const sources = await inOrder(`${dir.path}/${name}.js`);
    ok(sources.length > 4, `${name}: ${sources}`);
    const closed = sources.indexOf("src/base/close_storage.ts");
    const first = sources.findIndex((source) => source.startsWith("npm/"));
    ok(closed >= 0, `${name}: ${sources}`);
    ok(first === -1 || closed < first, `${name}: ${sources}`);
    // A thread's log is a package: without it the order would show nothing.
    strictEqual(first >= 0, name !== "main", `${name}: ${sources}`);
  }
});
