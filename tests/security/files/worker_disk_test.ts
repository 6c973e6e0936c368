import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
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
